# shellcheck shell=bash
# Sourced by the Makefile and the other scripts: where built and fetched things
# lie. Whatever is already set in the environment wins.

export FOOTNOTE_CACHE="${FOOTNOTE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/footnote}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$FOOTNOTE_CACHE/target}"
export FOOTNOTE_MODEL_DIR="${FOOTNOTE_MODEL_DIR:-$FOOTNOTE_CACHE/models/all-MiniLM-L6-v2-int8}"
export FOOTNOTE_ONNXRUNTIME="${FOOTNOTE_ONNXRUNTIME:-$FOOTNOTE_CACHE/runtime/libonnxruntime.so}"

# MCP servers that others wrote, for the tests.
export MCP_SERVERS="$FOOTNOTE_CACHE/mcp-servers"
export MCP_TIME_COMMAND="${MCP_TIME_COMMAND:-$MCP_SERVERS/python/bin/mcp-server-time}"
export MCP_EVERYTHING_SCRIPT="${MCP_EVERYTHING_SCRIPT:-$MCP_SERVERS/node/node_modules/@modelcontextprotocol/server-everything/dist/index.js}"

# Clients that others released, for the tests.
export CLIENTS="$FOOTNOTE_CACHE/clients"

export PATH="$FOOTNOTE_CACHE/tools/bin:$PATH"
if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
fi

die() {
    echo "error: $*" >&2
    exit 1
}

# True if apt-get can be run here; `as_root COMMAND...` then runs something with
# the rights it needs.
can_apt() {
    command -v apt-get >/dev/null || return 1
    [ "$(id -u)" = 0 ] && return 0
    command -v sudo >/dev/null || return 1
    [ -t 0 ] || sudo -n true 2>/dev/null
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs Debian packages; refreshes the lists only if that is needed. What
# apt says goes to stderr, for it is no output of ours.
apt_install() {
    local apt=(as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
    "${apt[@]}" install --no-install-recommends "$@" >&2 && return
    "${apt[@]}" update >&2
    "${apt[@]}" install --no-install-recommends "$@" >&2
}

# How tests are built, and what they run beside: soon, and with the places where
# they let something go wrong.
# shellcheck disable=SC2034
for_tests=(--config scripts/quick.toml --features fault-points)

# The SQL in the code is checked against the committed `.sqlx`, never against a
# database that happens to be set.
export SQLX_OFFLINE="${SQLX_OFFLINE:-true}"

# The oldest Postgres whose SQL the code uses.
POSTGRES_OLDEST=14

# Prints the folder of usable Postgres server binaries, looking where the
# service itself looks.
postgres_bin() {
    local folder version
    local -a places
    IFS=: read -ra places <<<"${FOOTNOTE_POSTGRES_BIN:-}:$PATH"
    while read -r folder; do places+=("$folder"); done < <(
        shopt -s nullglob
        printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql*/bin \
            /usr/libexec/postgresql* /opt/homebrew/opt/postgresql*/bin \
            /usr/local/opt/postgresql*/bin | sort -Vr
    )
    for folder in "${places[@]}"; do
        if [ ! -x "$folder/initdb" ] || [ ! -x "$folder/postgres" ]; then continue; fi
        version=$("$folder/postgres" --version 2>/dev/null | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
        [ "${version:-0}" -ge "$POSTGRES_OLDEST" ] 2>/dev/null || continue
        echo "$folder"
        return 0
    done
    return 1
}
