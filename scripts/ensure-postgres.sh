#!/usr/bin/env bash
# Makes sure that Postgres's server programs are on this machine. The service
# and the tests start private clusters with them; no cluster of the system's is
# made, started or touched here. Does nothing when the programs are there.
set -euo pipefail
. "$(dirname "$0")/env.sh"

postgres_bin >/dev/null && exit 0

if ! can_apt; then
    die "no Postgres $POSTGRES_OLDEST or newer was found; install it (Debian and Ubuntu: \`apt-get install postgresql\`, Fedora: \`dnf install postgresql-server\`, macOS: \`brew install postgresql@17\`), or set FOOTNOTE_POSTGRES_BIN to the folder of its programs"
fi

echo "installing Postgres" >&2
config=/etc/postgresql-common/createcluster.conf
if [ ! -e "$config" ]; then
    # A machine without any Postgres: Debian would make and start a cluster
    # that nobody asked for.
    apt_install postgresql-common
    as_root sed -i -E 's/^#?[[:space:]]*create_main_cluster.*/create_main_cluster = false/' "$config"
fi
apt_install postgresql
postgres_bin >/dev/null ||
    die "the distribution's Postgres is older than $POSTGRES_OLDEST; install a newer one and set FOOTNOTE_POSTGRES_BIN to the folder of its programs"
