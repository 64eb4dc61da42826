#!/usr/bin/env bash
# Installs the clients that others released, for the tests: from the registries
# of Python and Node, pinned, into the cache. Does nothing when they are there.
# Names of folders of tests/clients and tests/browser may be given.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

install() {
    local from="$1" to="$2" stamp="$2/.stamp" wanted
    wanted=$({ cat "$from"/package-lock.json "$from"/requirements.txt 2>/dev/null || true; } | sha256sum)
    if [ -f "$stamp" ] && [ "$(<"$stamp")" = "$wanted" ]; then return; fi
    echo "installing the clients of $from" >&2
    rm -rf "$to"
    mkdir -p "$to"
    if [ -f "$from/requirements.txt" ]; then
        python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
        python3 -m venv "$to/python"
        "$to/python/bin/pip" install --quiet --disable-pip-version-check -r "$from/requirements.txt"
    fi
    if [ -f "$from/package.json" ]; then
        if ! command -v node >/dev/null || ! command -v npm >/dev/null; then apt_install nodejs npm; fi
        cp "$from/package.json" "$from/package-lock.json" "$to/"
        npm ci --ignore-scripts --no-audit --no-fund --silent --prefix "$to"
    fi
    echo "$wanted" >"$stamp"
}

for folder in "${@:-tests/clients/*}"; do
    # shellcheck disable=SC2086 # the pattern is meant as one
    for one in $folder; do install "$one" "$CLIENTS/$(basename "$one")"; done
done
