#!/usr/bin/env bash
# Builds the runner images on the engine that `docker` reaches: what is missing or out of date, nothing else.
#
#   runner-images/build.sh [NAME...]                           builds these, or all; NAME: an image, a language for those of its stacks,
#                                                              or `usual` for one toolchain a language
#   runner-images/build.sh --copy-from DOCKER_HOST [NAME...]   takes what is up to date there, builds the rest
#   runner-images/build.sh --list                              prints the names of all images
#
# The versions are in versions.env. Each image carries a label with the hash of all that went into it, so that
# a second run has nothing to do. Public base images and tools are used where a registry answers; where none
# does, a base is made of Debian's packages (needs root) and tools are built from their modules (needs go).
# pipelinex-scan is built here in any case (needs cargo, or a registry).
#
# PIPELINEX_CA_CERTS: a PEM file with CA certificates that the build must trust beside the host's own.
# PIPELINEX_CACHE: where built tools are kept, ~/.cache/pipelinex unless set.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
cache=${PIPELINEX_CACHE:-$HOME/.cache/pipelinex}
say() { echo "images: $*" >&2; }
die() { say "$*"; exit 1; }

# shellcheck disable=SC1091
. "$here/versions.env"
# shellcheck source=lib/images.sh
. "$here/lib/images.sh"
# shellcheck source=lib/engine.sh
. "$here/lib/engine.sh"
# shellcheck source=lib/tools.sh
. "$here/lib/tools.sh"

# make_image NAME [DOCKER_HOST to copy from]
make_image() {
  local image folder arguments inputs tools public_base suite content old
  describe "$1"
  content=$(content_of "$1")
  has "$image" "$content" && return
  old=$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null || true)
  if [ -n "${2:-}" ]; then copy "$image" "$content" "$2"; fi
  has "$image" "$content" || build "$1"
  # What is replaced would stay without a name. A container that still uses it keeps it.
  [ -z "$old" ] || docker image rm "$old" >/dev/null 2>&1 || true
}

build() { # NAME; uses make_image's variables
  local started=$SECONDS options=() argument tool
  choose_base
  for tool in "${tools[@]}"; do choose_tool "$tool"; arguments+=("$tool_argument"); done
  for argument in "${arguments[@]}" "BASE=$base"; do options+=(--build-arg "$argument"); done
  say "building $image"
  docker_build "$folder" "$image" --label "pipelinex.content=$content" "${options[@]}"
  say "$image built in $((SECONDS - started)) s"
}

make_images() { # COPY_FROM NAME...
  local from=$1 name names; shift
  [ $# -gt 0 ] || set -- "${all_images[@]}"
  mapfile -t names < <(for name in "$@"; do images_of "$name"; done)
  set -- "${names[@]}"
  for name in "$@"; do (describe "$name"); done # a name that is none is said before anything is built
  prepare
  for name in "$@"; do make_image "$name" "$from"; done
  forget_wrappers
  say "up to date: $*"
}

prepare() {
  docker version >/dev/null 2>&1 || die "no Docker engine answers; start one, or: eval \"\$(dev/engine.sh up)\""
  mkdir -p "$cache"
  exec 9>"$cache/.images.lock"; flock 9
  work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
  cat /etc/ssl/certs/ca-certificates.crt "${PIPELINEX_CA_CERTS:-/dev/null}" >"$work/ca.pem" 2>/dev/null || true
}

list() {
  local name image folder arguments inputs tools public_base suite
  for name in "${all_images[@]}"; do describe "$name"; echo "$image"; done
}

case "${1:-}" in
  --copy-from) from=${2:?--copy-from needs a DOCKER_HOST}; shift 2; make_images "$from" "$@" ;;
  --list) list ;;
  -*) sed -n '2,16p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 64 ;;
  *) make_images "" "$@" ;;
esac
