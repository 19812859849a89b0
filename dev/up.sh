#!/usr/bin/env bash
# `make up`: docker compose up, also where no image can be pulled.
#
# Where a registry answers, compose builds and pulls as its file says. Where none does, bases are made of Debian's packages
# (needs root) and the program is built here. Either way the runner images are built first: without them jobs cannot run.
# Who names bases of their own (PIPELINEX_BASE and PIPELINEX_REDIS_IMAGE, see docker-compose.yml) gets those.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

say() { echo "up: $*" >&2; }
die() { say "$*"; exit 1; }
docker version >/dev/null 2>&1 || die "no Docker engine answers; install one (apt-get install docker.io), or: eval \"\$(dev/engine.sh up sid)\""
docker compose version >/dev/null 2>&1 || die "docker has no compose plugin; install it (docker-compose-plugin, or docker-compose of Debian 13)"

pulls() { docker image inspect "$1" >/dev/null 2>&1 || timeout 120 docker pull -q "$1" >/dev/null 2>&1; }

named() { [ -n "${PIPELINEX_BASE:-}" ] && [ -n "${PIPELINEX_REDIS_IMAGE:-}" ]; }

# The first Debian whose libc is not older than the one that programs are linked with here, on whatever system that is.
suite_of_here() {
  local libc release
  libc=$(ldd --version | sed -n '1s/.* //p')
  for release in 2.36:bookworm 2.41:trixie; do
    if [ "$(printf '%s\n' "${release%%:*}" "$libc" | sort -V | tail -n 1)" = "${release%%:*}" ]; then echo "${release##*:}"; return; fi
  done
  echo sid
}

make_base() { # NAME PACKAGE...
  local name=$1; shift
  docker image inspect "$name" >/dev/null 2>&1 || dev/base-image.sh "$name" "$suite" "$@"
}

default_of() { sed -n "s/.*\${$1:-\(.*\)}.*/\1/p" docker-compose.yml; } # VARIABLE: what compose takes where nobody sets it

if ! named && { ! pulls "$(default_of PIPELINEX_BASE)" || ! pulls "$(default_of PIPELINEX_REDIS_IMAGE)"; }; then
  suite=$(suite_of_here)
  say "images cannot be pulled here: building on packages of Debian $suite, and with this machine's cargo"
  dev/setup.sh demo
  trust_more
  make_base "pipelinex/base:$suite"
  make_base "pipelinex/redis:7-$suite" redis-server
  cargo build --release --locked --package pipelinex
  mkdir -p target/release
  binary=${CARGO_TARGET_DIR:-target}/release/pipelinex
  [ "$binary" -ef target/release/pipelinex ] || cp "$binary" target/release/pipelinex
  export PIPELINEX_PROGRAM=given PIPELINEX_BASE="pipelinex/base:$suite" PIPELINEX_REDIS_IMAGE="pipelinex/redis:7-$suite"
fi
PIPELINEX_BUILD_COMMIT=$(git rev-parse --short=12 HEAD 2>/dev/null || true); export PIPELINEX_BUILD_COMMIT
case ${DOCKER_HOST:-} in
  unix://*) export PIPELINEX_DOCKER_SOCKET="${PIPELINEX_DOCKER_SOCKET:-${DOCKER_HOST#unix://}}" ;;
esac
runner-images/build.sh usual
docker compose up --detach --build --wait "$@"
say "the page is on http://127.0.0.1:${PIPELINEX_PORT:-8000}; docker compose logs --follow shows what happens, docker compose down ends it"
