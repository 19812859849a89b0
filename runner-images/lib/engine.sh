# What the engine has, can pull, and is to build.
# shellcheck shell=bash disable=SC2153,SC2154 # versions.env and build.sh set the variables

has() { # IMAGE CONTENT [DOCKER_HOST]
  local found
  found=$(DOCKER_HOST=${3:-${DOCKER_HOST:-}} docker image inspect --format '{{index .Config.Labels "pipelinex.content"}}' "$1" 2>/dev/null) || return 1
  [ "$found" = "$2" ]
}

here_already() { docker image inspect "$1" >/dev/null 2>&1; } # IMAGE

copy() { # IMAGE CONTENT FROM
  has "$1" "$2" "$3" || return 0
  say "copying $1 from $3"
  DOCKER_HOST=$3 docker save "$1" | docker load >/dev/null
}

# A registry that does not answer within seconds is not worth a pull that hangs for minutes.
registry_answers() { # IMAGE
  local registry=${1%%/*}
  [ "$registry" != "$1" ] || registry=""
  case $registry in *.* | *:* | localhost) ;; *) registry="registry-1.docker.io" ;; esac
  curl -s -o /dev/null -m 5 "https://$registry/v2/"
}

obtain() { # IMAGE: true if it is here, or could be pulled
  here_already "$1" && return
  registry_answers "$1" && timeout 300 docker pull -q "$1" >/dev/null
}

# Sets `base` to the public image that `describe` named (without that, to the one of most images), or to one of our own making.
choose_base() {
  base=${public_base:-$BASE}
  obtain "$base" && return
  [ "$suite" != none ] || die "$base cannot be pulled here, and no package of Debian's has what it holds: name an image that can in its place, see versions.env"
  base=pipelinex/base:${suite:-$BASE_SUITE}
  here_already "$base" && return
  say "${public_base:-$BASE} cannot be pulled here: making $base of Debian's packages"
  "$root/dev/base-image.sh" "$base" "${suite:-$BASE_SUITE}"
}

# docker_build FOLDER IMAGE OPTION...: FOLDER is below runner-images, the context is the repository.
docker_build() {
  local folder=$1 image=$2 options=() argument; shift 2
  for argument in http_proxy https_proxy no_proxy; do [ -z "${!argument:-}" ] || options+=(--build-arg "$argument"); done
  DOCKER_BUILDKIT=1 docker build --progress plain --secret "id=ca,src=$work/ca.pem" "${options[@]}" "$@" \
    --tag "$image" --file "$here/$folder/Dockerfile" "$root" >"$work/log" 2>&1 ||
    { tail -n 40 "$work/log" >&2; die "$image could not be built; what failed is above"; }
}
