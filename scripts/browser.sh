#!/usr/bin/env bash
# The web page in a real browser: starts the built service on a data folder of
# its own, with a provider that the tests script, and runs tests/browser. Needs
# Node and Chromium. Pictures of the page are left in $SCREENSHOTS.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

unset DATABASE_URL QDRANT_URL QDRANT_API_KEY FOOTNOTE_EMBEDDING_MODEL FOOTNOTE_EMBEDDING_BASE_URL
found() { command -v chromium || command -v chromium-browser || command -v google-chrome || true; }
chromium="${CHROMIUM:-$(found)}"
if [ -z "$chromium" ] && can_apt; then
    apt_install chromium
    chromium=$(found)
fi
[ -n "$chromium" ] || die "Chromium is not installed: apt-get install chromium, or set CHROMIUM"
command -v npm >/dev/null || die "npm is not installed; Node 20.19 or later has it"
scripts/ensure-postgres.sh
scripts/fetch-model.sh

free_port() {
    node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'
}

port=$(free_port)
provider=$(free_port)
data=$(mktemp -d "${TMPDIR:-/var/tmp}/footnote-browser.XXXXXX")
# Postgres runs as another user when this is root.
chmod 755 "$data"
log="$data/server.log"
url="http://127.0.0.1:$port"

server=
finish() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$data"
}
trap finish EXIT

OPENAI_BASE_URL="http://127.0.0.1:$provider/v1" OPENAI_API_KEY=sk-scripted FOOTNOTE_MODEL=scripted \
    scripts/footnote --data-dir "$data/service" serve --listen "127.0.0.1:$port" >"$log" 2>&1 &
server=$!

for _ in $(seq 300); do
    kill -0 "$server" 2>/dev/null || { cat "$log" >&2; die "the service did not start"; }
    if curl --silent --fail --output /dev/null "$url/health/ready"; then break; fi
    sleep 0.2
done

npm --prefix tests/browser ci --no-audit --no-fund --loglevel=error
export FOOTNOTE_URL="$url" PROVIDER_PORT="$provider" CHROMIUM="$chromium"
export FOOTNOTE_NAME=browser FOOTNOTE_PASSWORD="a password of the tests"
FOOTNOTE_NEW_PASSWORD="$FOOTNOTE_PASSWORD" scripts/footnote --data-dir "$data/service" --quiet users add browser >/dev/null
export SCREENSHOTS="${SCREENSHOTS:-$FOOTNOTE_CACHE/screenshots}"
if ! node tests/browser/run.mjs; then
    tail -n 30 "$log" >&2
    die "the page failed in the browser; see $SCREENSHOTS"
fi
