#!/usr/bin/env bash
# Makes sure that a Redis server's program is on this machine: the tests of
# limits that processes share start their own with it. No server of the
# system's is started or touched here. Does nothing when the program is there.
set -euo pipefail
. "$(dirname "$0")/env.sh"

command -v redis-server >/dev/null && exit 0

if ! can_apt; then
    die "no redis-server was found; install it (Debian and Ubuntu: \`apt-get install redis-server\`, Fedora: \`dnf install redis\`, macOS: \`brew install redis\`)"
fi

echo "installing Redis" >&2
# Debian keeps the program in `redis-tools`, under the name of a checker that is
# the same program; `redis-server` adds the name, and a service that would be
# started though nobody asked for it.
apt_install redis-tools
if ! command -v redis-server >/dev/null && program=$(command -v redis-check-rdb); then
    mkdir -p "$FOOTNOTE_CACHE/tools/bin"
    ln -sf "$program" "$FOOTNOTE_CACHE/tools/bin/redis-server"
fi
redis-server --version >/dev/null 2>&1 || apt_install redis-server
redis-server --version >/dev/null || die "the distribution has no redis-server; install one"
