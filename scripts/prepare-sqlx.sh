#!/usr/bin/env bash
# Writes `.sqlx`: what Postgres says about every query in the code, so that the
# code builds without a database. Run it after a change of SQL or of a
# migration, and commit the result.
#
# With --check it changes nothing, and fails when `.sqlx` is out of date.
#
# A throwaway Postgres with the migrations applied is started for it. The query
# macros ask it and write their answers to SQLX_OFFLINE_DIR; that folder then
# replaces `.sqlx`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

check=false
case "${1:-}" in
'') ;;
--check) check=true ;;
*) die "usage: scripts/prepare-sqlx.sh [--check]" ;;
esac

scripts/ensure-postgres.sh
bin=$(postgres_bin)
psql="$bin/psql"
[ -x "$psql" ] || psql=$(command -v psql) || die "psql is missing; install Postgres's client programs"

# Short, for a socket's path may have 107 bytes.
tmp=$(mktemp -d /tmp/footnote-sqlx.XXXXXX)
as=() # before a command: runs it as the user that Postgres may run as
# In its own folder, for that user may not be able to enter ours.
postgres_run() { (cd "$tmp" && ${as[@]+"${as[@]}"} "$@" >>"$tmp/postgres.log" 2>&1); }
cleanup() {
    # Immediately: there is nothing to keep.
    [ ! -e "$tmp/data/postmaster.pid" ] || postgres_run "$bin/pg_ctl" stop --pgdata "$tmp/data" --mode immediate || true
    rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

if [ "$(id -u)" = 0 ]; then
    # Postgres refuses to run as root.
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    command -v setpriv >/dev/null || die "setpriv is missing; install util-linux, or run this as another user than root"
    as=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
    chown "$user" "$tmp"
    chmod 755 "$tmp"
fi

echo "starting a throwaway Postgres" >&2
if ! postgres_run "$bin/initdb" --pgdata "$tmp/data" --username footnote --auth trust --encoding UTF8 --locale C --no-sync ||
    ! postgres_run "$bin/pg_ctl" start --pgdata "$tmp/data" --wait --timeout 60 \
        --options "-k $tmp -c listen_addresses='' -c fsync=off -c shared_buffers=32MB"; then
    cat "$tmp/postgres.log" >&2
    die "the throwaway Postgres did not start; see above"
fi

sql() { "$psql" --no-psqlrc --quiet --host "$tmp" --username footnote --set ON_ERROR_STOP=1 "$@"; }

sql --dbname postgres --command 'create database footnote'
for migration in migrations/*.sql; do
    case "$migration" in *.down.sql) continue ;; esac
    sql --dbname footnote --single-transaction --file "$migration" ||
        die "$migration does not apply; see above"
done

out="$tmp/queries"
mkdir "$out"
# The macros run only in crates that are compiled, and cargo does not know that
# they depend on a database: the crates of this workspace must look changed.
touch -c src/lib.rs src/main.rs ingest/src/lib.rs
find tests ingest/tests benches ingest/benches -name '*.rs' -exec touch {} + 2>/dev/null || true
# The same artefacts as those of the tests, so that nothing is built for this alone.
DATABASE_URL="postgres://footnote@localhost/footnote?host=$tmp" SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$out" \
    cargo test "${for_tests[@]}" --release --workspace --locked --no-run --quiet ||
    die "the code does not build against the migrations; see above"

count=$(find "$out" -name 'query-*.json' | wc -l)
[ "$count" -gt 0 ] || die "no query was found; were the crates compiled?"

if $check; then
    mkdir -p "$tmp/none"
    committed=.sqlx
    [ -d "$committed" ] || committed="$tmp/none"
    if ! diff -rq "$committed" "$out" >"$tmp/diff"; then
        sed -e "s|$out|the code|g" -e "s|$tmp/none|.sqlx|g" "$tmp/diff" >&2
        die ".sqlx is out of date; run \`make sqlx\` and commit the result"
    fi
    echo ".sqlx is up to date: $count queries" >&2
else
    rm -rf .sqlx
    mkdir .sqlx
    cp "$out"/query-*.json .sqlx/
    echo "wrote .sqlx: $count queries" >&2
fi
