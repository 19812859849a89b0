# How the applications of SMOKE-TEST and DAST are started; the start scripts of stacks source it.
# shellcheck shell=bash

: "${PORT:?the worker sets it}"
# Where programs look for the address to listen on, as far as they go by it.
export HOST=0.0.0.0 HOSTNAME=0.0.0.0 ADDRESS=0.0.0.0 LISTEN_ADDR="0.0.0.0:$PORT" ADDR=":$PORT"

# unpack ARCHIVE: into a folder that can be written, which becomes the current one.
unpack() {
  local folder=$HOME/application
  mkdir "$folder" 2>/dev/null || folder=$(mktemp -d)
  cd "$folder" || exit 1
  tar -xzf "$1"
}

# serve COMMAND: becomes the application. Where it listens at another port, or at no address that others reach, what is asked at
# $PORT is passed on to it.
serve() {
  echo "starting: $1"
  pass_on &
  exec bash -c "$1"
}

# listeners: a line `ADDRESS PORT` for each socket that waits for connections here: the address `any`, `local` or `own`.
listeners() {
  local local_address state address
  while read -r _ local_address _ state _; do
    [ "$state" = 0A ] || continue
    address=${local_address%:*}
    case $address in
      00000000 | 00000000000000000000000000000000) address=any ;;
      0B00007F) continue ;; # the engine's own name server
      *7F | 00000000000000000000000001000000) address=local ;;
      *) address=own ;;
    esac
    echo "$address $((16#${local_address##*:}))"
  done < <(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null)
}

pass_on() {
  local found other seen=0 own
  command -v socat >/dev/null || return 0
  while sleep 0.3; do
    found=$(listeners)
    ! grep -qE "^(any|own) $PORT\$" <<<"$found" || return 0
    if grep -qx "local $PORT" <<<"$found"; then other=$PORT; else other=$(sed -n '1s/^[a-z]* //p' <<<"$found"); fi
    # It may open more than one; the one that was asked for gets its time.
    if [ -n "$other" ]; then seen=$((seen + 1)); else seen=0; fi
    [ $seen -ge 10 ] || continue
    own=$(hostname -I | awk '{print $1}')
    echo "the application listens at port $other, not at $PORT for all: passing on" >&2
    socat "TCP-LISTEN:$PORT,bind=${own:-0.0.0.0},fork,reuseaddr" "TCP:localhost:$other"
    return
  done
}
