#!/usr/bin/env bash
# Makes a database as MARIADB_DATABASE, MARIADB_USER and MARIADB_PASSWORD say, and serves it on port 3306.
#
# The server reads what makes database and user before it takes a connection, so that whoever is answered can use them. It is
# thrown away with its container, so nothing waits for a disk.
set -euo pipefail

if [ "${1:-mariadbd}" != mariadbd ]; then exec "$@"; fi
: "${MARIADB_DATABASE:?set MARIADB_DATABASE to the name of the database}"
: "${MARIADB_USER:?set MARIADB_USER to the user that owns it}"
: "${MARIADB_PASSWORD:?set MARIADB_PASSWORD to the password that clients will give}"
data=/var/lib/mysql/data

# What is quoted by doubling: of a name the backtick, of a text the quote; a backslash of a text escapes.
name() { printf '`%s`' "${1//\`/\`\`}"; }
text() { local escaped=${1//\\/\\\\}; printf "'%s'" "${escaped//\'/\'\'}"; }

if [ ! -d "$data" ]; then
  cp -R --no-preserve=mode,ownership /usr/share/pipelinex/mysql "$data"
fi
setup=$(mktemp)
cat >"$setup" <<SQL
CREATE DATABASE IF NOT EXISTS $(name "$MARIADB_DATABASE");
CREATE USER IF NOT EXISTS $(text "$MARIADB_USER")@'%' IDENTIFIED BY $(text "$MARIADB_PASSWORD");
GRANT ALL ON $(name "$MARIADB_DATABASE").* TO $(text "$MARIADB_USER")@'%';
SQL
# Root has no password, and nobody who could use it: it may come from this container alone.
shift || true
exec mariadbd --no-defaults --datadir="$data" --socket=/run/mysqld/mysqld.sock --pid-file=/run/mysqld/mysqld.pid --tmpdir=/tmp \
  --bind-address=0.0.0.0 --port=3306 --init-file="$setup" --skip-name-resolve --skip-log-bin --performance-schema=OFF \
  --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci \
  --innodb-log-file-size=8M --innodb-buffer-pool-size=64M --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 \
  --innodb-flush-method=nosync --innodb-use-native-aio=OFF "$@"
