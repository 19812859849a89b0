# What the scripts in dev/ share: where tools are, whom they trust, engines with images on them.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export oldest=bookworm newest=sid

# Tools that dev/setup.sh puts beside the system's own.
PATH="${PIPELINEX_CACHE:-$HOME/.cache/pipelinex}/tools/bin:$HOME/.cargo/bin:$PATH"; export PATH

# On a network that signs TLS again, what we start believes the operator's certificates as well: cargo, go, pip, curl.
trust_more() {
  [ -n "${PIPELINEX_CA_CERTS:-}" ] || return 0
  local bundle=${PIPELINEX_CACHE:-$HOME/.cache/pipelinex}/ca.pem
  mkdir -p "$(dirname "$bundle")"
  { cat "$PIPELINEX_CA_CERTS"; echo; cat /etc/ssl/certs/ca-certificates.crt 2>/dev/null || true; } >"$bundle.$$"
  mv "$bundle.$$" "$bundle"
  export SSL_CERT_FILE=$bundle CURL_CA_BUNDLE=$bundle CARGO_HTTP_CAINFO=$bundle PIP_CERT=$bundle
}

heading() { printf '\n== %s\n' "$*"; }

# use_engine SUITE: starts it if need be, and points docker, and every program after this, at it.
use_engine() {
  local line
  line=$("$root/dev/engine.sh" up "$1")
  eval "$line"
}

# engine_with_images SUITE [DOCKER_HOST to copy images from]: with what the tests run in; the rest is tried by `make stages`.
engine_with_images() {
  use_engine "$1"
  "$root/runner-images/build.sh" ${2:+--copy-from "$2"} usual
}

# address_in LOG: where a server that writes this log says it listens; waits for that up to ten seconds.
address_in() {
  local address
  for _ in $(seq 100); do
    address=$(sed -n 's|.*listening on \(http://[0-9.:]*\).*|\1|p' "$1")
    [ -z "$address" ] || { echo "$address"; return; }
    sleep 0.1
  done
  cat "$1" >&2
  return 1
}
