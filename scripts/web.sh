#!/usr/bin/env bash
# The web page, from web/ into web/dist, which is committed: building the program
# needs no Node.
#   build  makes web/dist anew
#   check  types, unit tests, and that web/dist is what web/ makes, byte for byte
set -euo pipefail
cd "$(dirname "$0")/../web"

if ! command -v npm >/dev/null; then
    echo "web: npm is not installed; Node 20.19 or later has it" >&2
    exit 1
fi

built() {
    npx vite build --logLevel warn --emptyOutDir --outDir "$1"
}

install() {
    npm ci --no-audit --no-fund --loglevel=error
}

case "${1:-}" in
build)
    install
    built dist
    ;;
check)
    install
    npx tsc --noEmit
    npx vitest run
    fresh=$(mktemp -d)
    trap 'rm -rf "$fresh"' EXIT
    built "$fresh/dist"
    if ! diff --recursive --brief dist "$fresh/dist"; then
        echo "web: web/dist is not what web/ makes; run scripts/web.sh build and commit it" >&2
        exit 1
    fi
    echo "web: web/dist is what web/ makes"
    ;;
*)
    echo "usage: scripts/web.sh build|check" >&2
    exit 2
    ;;
esac
