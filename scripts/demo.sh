#!/usr/bin/env bash
# From a fresh clone to three cited answers: fetches the model, builds, reads
# the sample documents into a data folder of the demo's own, and asks. Needs no
# key, and uses no outside database, index or model even if one is set.
#
# FOOTNOTE_DEMO_DATA names another data folder.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

unset DATABASE_URL QDRANT_URL QDRANT_API_KEY OPENAI_API_KEY OPENAI_BASE_URL \
    FOOTNOTE_MODEL FOOTNOTE_EMBEDDING_MODEL FOOTNOTE_EMBEDDING_BASE_URL FOOTNOTE_COLLECTION
# Postgres refuses to run as root, and the user that it then runs as cannot
# enter root's home.
data="$FOOTNOTE_CACHE/demo-data"
[ "$(id -u)" != 0 ] || data=/var/lib/footnote-demo
data="${FOOTNOTE_DEMO_DATA:-$data}"
export FOOTNOTE_DATA_DIR="$data"

scripts/ensure-build-tools.sh
scripts/ensure-postgres.sh
scripts/fetch-model.sh
if [ ! -x "$CARGO_TARGET_DIR/release/footnote" ]; then
    echo "building footnote (the first time takes several minutes)" >&2
fi
cargo build --release --locked --bin footnote

echo
echo "== footnote ingest fixtures/kb"
scripts/footnote ingest fixtures/kb

asked=0
while IFS= read -r question || [ -n "$question" ]; do
    case "$question" in '' | '#'*) continue ;; esac
    echo
    echo "== footnote ask \"$question\""
    # Its standard input is ours, the list of questions, unless told otherwise.
    scripts/footnote ask "$question" </dev/null
    asked=$((asked + 1))
done <fixtures/demo-questions.txt
[ "$asked" -gt 0 ] || die "fixtures/demo-questions.txt holds no question"

cat <<NEXT

That was the demo: $asked questions, each answer with its sources. Next:

  export PATH="$PWD/scripts:\$PATH"     # the command \`footnote\`
  footnote ingest ~/Documents/notes     # your own documents
  footnote ask "..."
  footnote serve                        # the API on http://127.0.0.1:8080, described at /docs

To look around in the demo's own documents, add --data-dir $data
NEXT
