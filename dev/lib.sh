# What the scripts in dev/ share: engines with images on them.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export oldest=bookworm newest=sid

# Tools that dev/setup.sh puts beside the system's own.
PATH="$HOME/.cargo/bin:$PATH"; export PATH

heading() { printf '\n== %s\n' "$*"; }

# use_engine SUITE: starts it if need be, and points docker, and every program after this, at it.
use_engine() {
  local line
  line=$("$root/dev/engine.sh" up "$1")
  eval "$line"
}

# engine_with_images SUITE [DOCKER_HOST to copy images from]
engine_with_images() {
  use_engine "$1"
  "$root/runner-images/build.sh" ${2:+--copy-from "$2"}
}
