#!/usr/bin/env bash
# The figures: BENCH="..." (or arguments) picks some of them.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
cargo bench --locked --bench figures -- "$@"
