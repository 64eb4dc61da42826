#!/usr/bin/env bash
# Released clients of other people against a running server: each folder of
# tests/clients, or those that are named. Its files `check*.py` and `check*.mjs`
# are run with the server's address and a key for it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

server="$CARGO_TARGET_DIR/release/footnote"
[ -x "$server" ] || die "there is no program yet; run \`cargo build --release --locked --bin footnote\`"

work=$(mktemp -d)
# The database's user must be able to enter.
chmod 755 "$work"
running=()
cleanup() {
    local pid
    for pid in "${running[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${running[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT

unset DATABASE_URL QDRANT_URL REDIS_URL OPENAI_API_KEY ANTHROPIC_API_KEY GEMINI_API_KEY FOOTNOTE_MODEL
export FOOTNOTE_DATA_DIR="$work/data" FOOTNOTE_BIN="$server"

# What is awaited takes a minute at most.
await() {
    local end=$((SECONDS + 60))
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || die "timed out: $*"
        sleep 0.1
    done
}

# A model that takes its time, for what is resumed and stopped.
model=tests/clients/ai-sdk/slow-model.mjs
if [ -f "$model" ]; then
    node "$model" >"$work/model" 2>&1 &
    running+=($!)
    await test -s "$work/model"
    OPENAI_BASE_URL=$(head -n 1 "$work/model")
    export OPENAI_BASE_URL
fi

FOOTNOTE_ANSWER_CACHE=false "$server" serve --listen 127.0.0.1:0 --json >"$work/server" 2>"$work/log" &
running+=($!)
await test -s "$work/server"
FOOTNOTE_URL=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["url"])' "$work/server")
"$server" ingest fixtures/kb --quiet
FOOTNOTE_KEY=$("$server" keys add clients --scopes read,ask,write)
FOOTNOTE_ADMIN_KEY=$("$server" keys add admin --scopes read,ask,write,admin)
export FOOTNOTE_URL FOOTNOTE_KEY FOOTNOTE_ADMIN_KEY FOOTNOTE_MODEL=slow

folders=("$@")
[ ${#folders[@]} -gt 0 ] || folders=(tests/clients/*)
for folder in "${folders[@]}"; do
    installed="$CLIENTS/$(basename "$folder")"
    echo "== $(basename "$folder")"
    for check in "$folder"/check*.py; do
        [ -e "$check" ] || continue
        "$installed/python/bin/python" "$check" || { tail -n 20 "$work/log" >&2; die "$check failed"; }
    done
    if [ -f "$folder/package.json" ]; then
        # Node looks for packages beside the script.
        cp "$folder"/*.mjs "$installed/"
        for check in "$installed"/check*.mjs; do
            node "$check" || { tail -n 20 "$work/log" >&2; die "$(basename "$check") of $folder failed"; }
        done
    fi
done
