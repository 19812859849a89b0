#!/usr/bin/env bash
# Builds the runner images on the engine that `docker` reaches: what is missing or out of date, nothing else.
#
#   runner-images/build.sh                          builds pipelinex/java17-maven and pipelinex/scan
#   runner-images/build.sh --copy-from DOCKER_HOST  takes what is up to date there, builds the rest
#   runner-images/build.sh --list                   prints the image names
#
# The versions are in versions.env. Each image carries a label with the hash of all that went into it, so that
# a second run has nothing to do. Public base images and tools are used where a registry answers; where none
# does, a base is made of Debian's packages (needs root) and tools are built from their modules (needs go).
#
# PIPELINEX_CA_CERTS: a PEM file with CA certificates that the build must trust beside the host's own.
# PIPELINEX_CACHE: where built tools are kept, ~/.cache/pipelinex unless set.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
cache=${PIPELINEX_CACHE:-$HOME/.cache/pipelinex}
# shellcheck source=versions.env disable=SC1091,SC2153
. "$here/versions.env"

java_image=pipelinex/java17-maven:$JAVA17_MAVEN_VERSION
scan_image=pipelinex/scan:$SCAN_VERSION

say() { echo "images: $*" >&2; }
die() { say "$*"; exit 1; }

# content ARG=VALUE... -- PATH...: the hash of build arguments and input files.
content() {
  local arguments=()
  while [ "$1" != -- ]; do arguments+=("$1"); shift; done; shift
  { printf '%s\n' "${arguments[@]}"; (cd "$root" && find "$@" -type f ! -path '*/target/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum); } |
    sha256sum | cut -c1-16
}

java_arguments=("MAVEN_VERSION=$MAVEN_VERSION" "MAVEN_SHA512=$MAVEN_SHA512" "MAVEN_DEPENDENCY_PLUGIN_VERSION=$MAVEN_DEPENDENCY_PLUGIN_VERSION")
scan_arguments=("GITLEAKS_VERSION=$GITLEAKS_VERSION")
java_content=$(content "BASE=$BASE" "${java_arguments[@]}" -- runner-images/java17-maven examples/spring-boot-maven/pom.xml examples/spring-boot-maven/src)
scan_content=$(content "BASE=$BASE" "${scan_arguments[@]}" -- runner-images/scan)

has() { # IMAGE CONTENT [DOCKER_HOST]
  local found
  found=$(DOCKER_HOST=${3:-${DOCKER_HOST:-}} docker image inspect --format '{{index .Config.Labels "pipelinex.content"}}' "$1" 2>/dev/null) || return 1
  [ "$found" = "$2" ]
}

# A registry that does not answer within seconds is not worth a pull that hangs for minutes.
registry_answers() { # IMAGE
  local registry=${1%%/*}
  [ "$registry" != "$1" ] || registry=""
  case $registry in *.* | *:* | localhost) ;; *) registry="registry-1.docker.io" ;; esac
  curl -s -o /dev/null -m 5 "https://$registry/v2/"
}

# Sets `base` to the public image, or to one of our own making.
choose_base() {
  [ -z "${base:-}" ] || return 0
  base=$BASE
  docker image inspect "$base" >/dev/null 2>&1 && return
  if registry_answers "$base" && timeout 300 docker pull -q "$base" >/dev/null; then return; fi
  base=pipelinex/base:$BASE_SUITE
  docker image inspect "$base" >/dev/null 2>&1 && return
  say "$BASE cannot be pulled here: making $base of Debian's packages"
  "$root/dev/base-image.sh" "$base" "$BASE_SUITE"
}

# Sets `gitleaks_image` to the published image, or to one with the binary that go builds here.
choose_gitleaks() {
  gitleaks_image=$GITLEAKS_IMAGE
  docker image inspect "$gitleaks_image" >/dev/null 2>&1 && return
  if registry_answers "$gitleaks_image" && timeout 300 docker pull -q "$gitleaks_image" >/dev/null; then return; fi
  gitleaks_image=pipelinex/gitleaks:$GITLEAKS_VERSION
  docker image inspect "$gitleaks_image" >/dev/null 2>&1 && return
  local folder="$cache/gitleaks-$GITLEAKS_VERSION"
  build_gitleaks "$folder"
  tar -C "$folder" --transform 's|^gitleaks$|usr/bin/gitleaks|' --owner 0 --group 0 -c gitleaks | docker import - "$gitleaks_image" >/dev/null
}

build_gitleaks() { # FOLDER, outside the tree: a minute of building is kept over clones
  [ -x "$1/gitleaks" ] && return
  PATH="$(printf '%s:' "$cache"/go-*/bin)$PATH" # where dev/setup.sh puts a go that this host lacks
  command -v go >/dev/null || die "gitleaks must be built here and go is missing: run dev/setup.sh, or install Go 1.21 or later"
  say "building gitleaks $GITLEAKS_VERSION from its module"
  mkdir -p "$1"
  GOTOOLCHAIN=auto CGO_ENABLED=0 GOBIN="$1/new" go install -trimpath \
    -ldflags "-s -w -X=github.com/zricethezav/gitleaks/v8/version.Version=$GITLEAKS_VERSION" \
    "github.com/zricethezav/gitleaks/v8@v$GITLEAKS_VERSION" >"$1/log" 2>&1 || { tail -n 15 "$1/log" >&2; die "go could not build gitleaks"; }
  mv "$1/new/gitleaks" "$1/gitleaks"
}

# build NAME IMAGE CONTENT ARG=VALUE...
build() {
  local name=$1 image=$2 content=$3 started=$SECONDS options=() argument; shift 3
  for argument in "$@" "BASE=$base"; do options+=(--build-arg "$argument"); done
  for argument in http_proxy https_proxy no_proxy; do [ -z "${!argument:-}" ] || options+=(--build-arg "$argument"); done
  say "building $image"
  DOCKER_BUILDKIT=1 docker build --progress plain --secret "id=ca,src=$work/ca.pem" "${options[@]}" \
    --label "pipelinex.content=$content" --tag "$image" --file "$here/$name/Dockerfile" "$root" >"$work/log" 2>&1 ||
    { tail -n 40 "$work/log" >&2; die "$image could not be built; what failed is above"; }
  say "$image built in $((SECONDS - started)) s"
}

copy() { # IMAGE CONTENT FROM
  has "$1" "$2" "$3" || return 0
  say "copying $1 from $3"
  DOCKER_HOST=$3 docker save "$1" | docker load >/dev/null
}

make_images() { # [DOCKER_HOST to copy from]
  if [ -n "${1:-}" ]; then
    has "$java_image" "$java_content" || copy "$java_image" "$java_content" "$1"
    has "$scan_image" "$scan_content" || copy "$scan_image" "$scan_content" "$1"
  fi
  if ! has "$java_image" "$java_content"; then
    choose_base; build java17-maven "$java_image" "$java_content" "${java_arguments[@]}"
  fi
  if ! has "$scan_image" "$scan_content"; then
    choose_base; choose_gitleaks; build scan "$scan_image" "$scan_content" "${scan_arguments[@]}" "GITLEAKS_IMAGE=$gitleaks_image"
  fi
  say "$java_image and $scan_image are up to date"
}

prepare() {
  docker version >/dev/null 2>&1 || die "no Docker engine answers; start one, or: eval \"\$(dev/engine.sh up)\""
  mkdir -p "$cache"
  exec 9>"$cache/.images.lock"; flock 9
  work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
  cat /etc/ssl/certs/ca-certificates.crt "${PIPELINEX_CA_CERTS:-/dev/null}" >"$work/ca.pem" 2>/dev/null || true
}

case "${1:-}" in
  "") prepare; make_images ;;
  --copy-from) prepare; make_images "${2:?--copy-from needs a DOCKER_HOST}" ;;
  --list) printf '%s\n' "$java_image" "$scan_image" ;;
  *) sed -n '2,13p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 64 ;;
esac
