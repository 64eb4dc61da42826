#!/usr/bin/env bash
# Installs two MCP servers that others wrote, for the tests: from the registries
# of Python and Node, pinned, into the cache. Does nothing when they are there.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

pins=tests/mcp-servers
stamp="$MCP_SERVERS/.stamp"
wanted=$(cat "$pins"/package-lock.json "$pins"/time-requirements.txt | sha256sum)
if [ -f "$stamp" ] && [ "$(<"$stamp")" = "$wanted" ] && [ -x "$MCP_TIME_COMMAND" ] && [ -f "$MCP_EVERYTHING_SCRIPT" ]; then
    exit 0
fi

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then apt_install nodejs npm; fi
python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv

rm -rf "$MCP_SERVERS"
mkdir -p "$MCP_SERVERS/node"
python3 -m venv "$MCP_SERVERS/python"
"$MCP_SERVERS/python/bin/pip" install --quiet --disable-pip-version-check -r "$pins/time-requirements.txt"
cp "$pins/package.json" "$pins/package-lock.json" "$MCP_SERVERS/node/"
npm ci --ignore-scripts --no-audit --no-fund --silent --prefix "$MCP_SERVERS/node"
echo "$wanted" >"$stamp"
