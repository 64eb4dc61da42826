#!/usr/bin/env bash
# All checks and tests, or only the steps named as arguments. Stops at the first
# failure. Needs no database, no network but the package registries for what is
# not there yet, and no key.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

# The tests come last: how many ran is then the last thing said.
all=(tools fmt web sql clippy doc deny fixtures scripts compose doctests clients browser tests)

scripts_checked() {
    local script status=0
    local -a files=(scripts/footnote scripts/*.sh .ci/run)
    for script in "${files[@]}"; do bash -n "$script" || status=1; done
    if command -v shellcheck >/dev/null; then
        shellcheck "${files[@]}" || status=1
    else
        echo "shellcheck is not installed: only the syntax was checked"
    fi
    return $status
}

compose_checked() {
    if docker compose version >/dev/null 2>&1; then
        POSTGRES_PASSWORD=check QDRANT_API_KEY=check docker compose --file docker-compose.yml config --quiet
    elif python3 -c 'import yaml' 2>/dev/null; then
        python3 -c 'import yaml; yaml.safe_load(open("docker-compose.yml", encoding="utf-8"))'
        echo "docker compose is not installed: only the YAML was checked"
    else
        echo "neither docker compose nor Python's yaml is installed: not checked"
    fi
}

tools() {
    scripts/ensure-build-tools.sh --test
    scripts/ensure-postgres.sh
    scripts/ensure-redis.sh
    scripts/fetch-model.sh
    scripts/fetch-mcp-servers.sh
    scripts/fetch-clients.sh
}

run() {
    case "$1" in
    tools) tools ;;
    fmt) cargo fmt --all --check ;;
    sql) scripts/prepare-sqlx.sh --check ;;
    clippy) cargo clippy --release --workspace --all-targets --locked --features fault-points -- -D warnings ;;
    doc) RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps --workspace --locked ;;
    # Advisories need their database from the network; `cargo deny check
    # advisories` asks for them where it can be reached.
    deny) cargo deny --locked --log-level error check bans licenses sources ;;
    fixtures) python3 fixtures/check.py ;;
    scripts) scripts_checked ;;
    compose) compose_checked ;;
    web) scripts/web.sh check ;;
    clients) scripts/clients.sh ;;
    browser) scripts/browser.sh ;;
    doctests) cargo test "${for_tests[@]}" --doc --release --workspace --locked ;;
    # One more than processors: most tests wait for something now and then.
    tests)
        cargo nextest run "${for_tests[@]}" --release --workspace --locked \
            --test-threads "$(($(getconf _NPROCESSORS_ONLN) + 1))"
        ;;
    *) die "no step \`$1\`; there are: ${all[*]}" ;;
    esac
}

# In a shell of its own, so that `set -e` holds inside a step too.
if [ "${1:-}" = --step ]; then
    run "$2"
    exit
fi

steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=("${all[@]}")
for step in "${steps[@]}"; do
    echo "== $step"
    start=$SECONDS
    if ! scripts/test.sh --step "$step"; then
        echo "== $step FAILED after $((SECONDS - start)) s; again with: scripts/test.sh $step" >&2
        exit 1
    fi
    echo "== $step: ok, $((SECONDS - start)) s"
done
