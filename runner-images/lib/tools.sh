# Tools that come into an image as a file out of another image: the one that the tool's makers publish or, where
# none can be pulled, one of the same shape, with the program built here. What was built is kept in $cache.
# shellcheck shell=bash disable=SC2153,SC2154,SC2034 # versions.env and build.sh set what is read here, and read what is set

# The table of programs in Go. go_tool NAME: sets `version`, `published`, `file` (its path in that image), `module`,
# `ldflags` (so that the program knows its version) and `toolchain` (auto: what its go.mod asks for).
go_tool() {
  ldflags="" toolchain=auto
  case $1 in
    gitleaks)
      version=$GITLEAKS_VERSION published=$GITLEAKS_IMAGE file=usr/bin/gitleaks
      module=github.com/zricethezav/gitleaks/v8 # the path that its go.mod still has
      ldflags=-X=github.com/zricethezav/gitleaks/v8/version.Version=$version
      ;;
    syft)
      version=$SYFT_VERSION published=$SYFT_IMAGE file=syft
      module=github.com/anchore/syft/cmd/syft
      ldflags=-X=main.version=$version
      ;;
    osv-scanner)
      version=$OSV_SCANNER_VERSION published=$OSV_SCANNER_IMAGE file=osv-scanner
      module=github.com/google/osv-scanner/v2/cmd/osv-scanner
      toolchain=go1.27.4
      ;;
  esac
}

tool_source() { # NAME: what an image that takes the tool depends on, as one word
  if [ "$1" = wrapper ]; then content -- scan findings Cargo.lock; return; fi
  local version published file module ldflags toolchain
  go_tool "$1"
  echo "$published"
}

# choose_tool NAME: sets `tool_argument` to the build argument that names the image to take the tool from.
choose_tool() {
  local variable=${1^^}
  if [ "$1" = wrapper ]; then choose_wrapper; else choose_go_tool "$1"; fi
  tool_argument="${variable//-/_}_IMAGE=$tool_image"
}

choose_go_tool() { # NAME
  local version published file module ldflags toolchain
  go_tool "$1"
  tool_image=$published
  obtain "$tool_image" && return
  tool_image=pipelinex/$1:$version
  here_already "$tool_image" && return
  local folder="$cache/$1-$version"
  build_go_tool "$1" "$folder"
  import_file "$folder/$1" "$file" "$tool_image"
}

import_file() { # FILE PATH IMAGE: an image with nothing but this file at this path
  tar -C "$(dirname "$1")" --transform "s|^$(basename "$1")\$|$2|" --owner 0 --group 0 --mode 0755 -c "$(basename "$1")" |
    docker import - "$3" >/dev/null
}

build_go_tool() { # NAME FOLDER; uses go_tool's variables
  [ -x "$2/$1" ] && return
  PATH="$(printf '%s:' "$cache"/go-*/bin)$PATH" # where dev/setup.sh puts a go that this host lacks
  command -v go >/dev/null || die "$1 must be built here and go is missing: run dev/setup.sh, or install Go 1.21 or later"
  say "building $1 $version from its module; this takes minutes, once"
  mkdir -p "$2"
  GOTOOLCHAIN=$toolchain CGO_ENABLED=0 GOBIN="$2/new" go install -trimpath -ldflags "-s -w $ldflags" \
    "$module@v$version" >"$2/log" 2>&1 || { tail -n 15 "$2/log" >&2; die "go could not build $1"; }
  mv "$2/new/$1" "$2/$1"
}

# pipelinex-scan, linked statically so that it runs on whatever base an operator chooses. Without cargo, an image
# with a Rust toolchain builds it.
choose_wrapper() {
  tool_image=pipelinex/wrapper:$(tool_source wrapper)
  here_already "$tool_image" && return
  PATH="$HOME/.cargo/bin:$PATH"
  if command -v cargo >/dev/null; then build_wrapper; return; fi
  obtain "$RUST_IMAGE" || die "pipelinex-scan must be built and cargo is missing: run dev/setup.sh, or install Rust (https://rustup.rs)"
  say "building pipelinex-scan in $RUST_IMAGE"
  docker_build wrapper "$tool_image" --build-arg "RUST_IMAGE=$RUST_IMAGE"
}

build_wrapper() {
  local triple
  triple=$(rustc -vV | sed -n 's/^host: //p')
  say "building pipelinex-scan"
  # A target makes cargo keep the flags from build scripts, which need not be static; LTO would cost more than it gives.
  (cd "$root" && RUSTFLAGS='-C target-feature=+crt-static' CARGO_PROFILE_RELEASE_LTO=off CARGO_TARGET_DIR="$cache/scan-target" \
    cargo build --quiet --release --locked --package pipelinex-scan --target "$triple") >"$work/log" 2>&1 ||
    { tail -n 40 "$work/log" >&2; die "cargo could not build pipelinex-scan"; }
  import_file "$cache/scan-target/$triple/release/pipelinex-scan" usr/local/bin/pipelinex-scan "$tool_image"
}

# Each change of its sources makes an image of one file; only what is made of it is to stay.
forget_wrappers() {
  local found
  found=$(docker image ls --quiet pipelinex/wrapper)
  [ -z "$found" ] || xargs docker image rm --force <<<"$found" >/dev/null
}
