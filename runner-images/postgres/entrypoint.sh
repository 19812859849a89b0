#!/usr/bin/env bash
# Makes a database as POSTGRES_DB, POSTGRES_USER, POSTGRES_PASSWORD, PGPORT and PGDATA say, and serves it.
#
# The database is made before the server listens, so that whoever is answered can use it: pg_isready tells the truth.
# It is thrown away with its container, so nothing waits for a disk.
set -euo pipefail

if [ "${1:-postgres}" != postgres ]; then exec "$@"; fi
: "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD to the password that clients will give}"
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
: "${PGDATA:=/var/lib/postgresql/data}"
export PGDATA PGPORT="${PGPORT:-5432}"

# A tmpfs may belong to root; the server insists on a folder that is its own.
mkdir -p "$PGDATA"
[ -O "$PGDATA" ] || PGDATA=$PGDATA/own
sockets=/var/run/postgresql
[ -w "$sockets" ] || sockets=/tmp

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --no-sync --no-instructions --encoding UTF8 --locale C.UTF-8 --username "$user" --pwfile <(printf '%s' "$POSTGRES_PASSWORD") \
    --auth-local trust --auth-host scram-sha-256 >/dev/null
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  # template1 and postgres are there already. A name is quoted as SQL wants it.
  case $database in
    postgres | template1) ;;
    *) echo "CREATE DATABASE \"${database//\"/\"\"}\"" | postgres --single -c fsync=off -j postgres >/dev/null ;;
  esac
fi
shift || true
exec postgres -c "listen_addresses=*" -c "unix_socket_directories=$sockets" \
  -c fsync=off -c synchronous_commit=off -c full_page_writes=off "$@"
