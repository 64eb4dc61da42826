#!/usr/bin/env bash
# The long tests, and the others with the amounts below instead of small ones.
# Each can be set from outside; FOOTNOTE_SEED does a failed run again. Where
# QDRANT_URL names a server, several processes share it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

amount() { [ -n "${!1:-}" ] || export "$1=$2"; }
amount FOOTNOTE_KILLS 50
amount FOOTNOTE_DELETIONS 1000
amount FOOTNOTE_DELETE_KILLS 20
amount FOOTNOTE_OPERATIONS 100000
amount FOOTNOTE_RESTARTS 120
amount FOOTNOTE_CHANGES 20000
amount FOOTNOTE_FREEZES 100
amount FOOTNOTE_QUEUED 10000
amount FOOTNOTE_WORKERS 8
amount FOOTNOTE_KILL_EVERY_MS 5000
amount FOOTNOTE_OUTAGE_SECONDS 60
amount FOOTNOTE_SCHEDULES 25
amount FOOTNOTE_STEPS 60
amount FOOTNOTE_CUTS 10000
amount FOOTNOTE_TEXTS 10000
amount FOOTNOTE_READ_STREAMS 200
amount FOOTNOTE_CANCELS 500
amount FOOTNOTE_KEYS 1000
amount FOOTNOTE_REPEATS 50
amount FOOTNOTE_REGENERATES 1000
amount FOOTNOTE_ANSWER_KILLS 50
amount FOOTNOTE_OBEYED 150
amount FOOTNOTE_QUOTES 10000
amount FOOTNOTE_EXCHANGES 200
amount FOOTNOTE_HALF_OPEN 2000
amount FOOTNOTE_OPEN_STREAMS 200
amount FOOTNOTE_FOREIGN_STREAMS 100
amount FOOTNOTE_SAME_QUESTIONS 1000
amount FOOTNOTE_PRIVATE_USERS 50
amount FOOTNOTE_PRIVATE_DOCUMENTS 200
amount FOOTNOTE_PRIVATE_QUERIES 10000
amount FOOTNOTE_ODD_TEXTS 200
amount FOOTNOTE_GUESSES 1000
amount FOOTNOTE_SIGN_INS 200
amount FOOTNOTE_SLOW_READERS 200
amount FOOTNOTE_SLOW_SECONDS 600
amount FOOTNOTE_FUZZ 1000000
amount FOOTNOTE_POOL_SECONDS 600

cargo nextest run --release --workspace --locked --profile soak --run-ignored all "$@"
