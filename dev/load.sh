#!/usr/bin/env bash
# `make load`: as many requests with wrong tokens as one machine can send, from many addresses of it, and beside them one client with a
# right token: each of its requests must be answered well. Says how many wrong ones were answered a second, with which codes, and how
# long the right ones took before and meanwhile.
#
#   SECONDS_OF_LOAD=10 dev/load.sh        how long the wrong ones go on
#   PIPELINEX=PATH dev/load.sh            another binary than the released one of this checkout
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

work=$(mktemp -d)
trap '[ -z "${server:-}" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
if [ -z "${PIPELINEX:-}" ]; then
  cargo build --quiet --release --package pipelinex
  PIPELINEX="${CARGO_TARGET_DIR:-target}/release/pipelinex"
  bytes=$(stat -c %s "$PIPELINEX")
  echo "the program has $bytes bytes"
  [ "$bytes" -lt 25000000 ] || { echo "the program is to stay below 25 MB" >&2; exit 1; }
fi
token=$("$PIPELINEX" --quiet token create --role viewer --name load --workspaces "$work/workspaces")
"$PIPELINEX" backend --auth token --workspaces "$work/workspaces" --listen 127.0.0.1:0 >"$work/log" 2>&1 &
server=$!
address=$(address_in "$work/log")
TOKEN=$token PORT=${address##*:} SECONDS_OF_LOAD=${SECONDS_OF_LOAD:-10} python3 dev/load.py
kill -0 "$server" || { cat "$work/log"; exit 1; }
