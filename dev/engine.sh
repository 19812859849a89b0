#!/usr/bin/env bash
# Real Docker engines for tests, side by side, from Debian's packages alone.
#
#   dev/engine.sh up   [SUITE]   brings the engine up, once, and prints the line to evaluate
#   dev/engine.sh env  [SUITE]   prints that line for an engine that runs
#   dev/engine.sh down [SUITE]   stops it; its images stay for the next time
#
# SUITE is bookworm (Engine 20.10, the oldest we support; the default), trixie (26.1) or sid (28, the newest).
# Why not the host's own Docker: the product must work on the oldest and on the newest engine, so the tests
# need both at once, the same on a laptop and in CI. Nothing is installed but small tools: packages are
# unpacked into a folder, and what needs a newer libc than the host's gets its own beside it.
#
# Needs root and Debian 12 or later, or Ubuntu. Folder: ${PIPELINEX_ENGINES:-/var/tmp/pipelinex-engines}/SUITE.
# PIPELINEX_ENGINE_CONFIG: what its daemon.json says, nothing unless set.
# Bridges take 10.${PIPELINEX_ENGINE_NET:-223}.N.0/24 and the three numbers that follow.
set -euo pipefail

say() { echo "engine.sh: $*" >&2; }
die() { say "$*"; exit 1; }

suite=${2:-bookworm}
dir=${PIPELINEX_ENGINES:-/var/tmp/pipelinex-engines}/$suite
net=${PIPELINEX_ENGINE_NET:-223}
case $suite in
  bookworm) number=1 ;;
  trixie) number=2 ;;
  sid) number=3 ;;
  *) die "unknown suite '$suite': use bookworm, trixie or sid" ;;
esac

# The archive this Debian host already uses, else the public one.
mirror() {
  local found=""
  if grep -qs '^ID=debian' /etc/os-release; then
    found=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk '/^URIs:/ && $2 ~ /\/debian\/?$/ {print $2; exit}') || true
    [ -n "$found" ] || found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
      sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\/debian\/\?\) .*/\2/p' | head -n 1) || true
  fi
  echo "${found:-http://deb.debian.org/debian}"
}

install_tools() {
  local missing=()
  command -v iptables >/dev/null || missing+=(iptables)
  command -v ip >/dev/null || missing+=(iproute2)
  command -v patchelf >/dev/null || missing+=(patchelf)
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
  [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
  [ ${#missing[@]} -eq 0 ] && return
  say "installing ${missing[*]}"
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# fetch SUITE FOLDER PACKAGE...: the packages and all they depend on, unpacked, never installed.
fetch() {
  local from=$1 root=$2 apt="$2.apt" deb; shift 2
  mkdir -p "$apt"/{lists/partial,cache/archives/partial} "$root"
  : >"$apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $from main" >"$apt/sources.list"
  local options=(-qq -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache"
    -o Dir::State::status="$apt/status" -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none
    -o APT::Sandbox::User=root -o Acquire::Retries=3)
  apt-get "${options[@]}" update || die "cannot read the Debian archive at $(mirror): check the network and apt's configuration"
  apt-get "${options[@]}" install -y --download-only --no-install-recommends "$@" >/dev/null ||
    die "cannot download $* of $from"
  for deb in "$apt"/cache/archives/*.deb; do dpkg -x "$deb" "$root"; done
  rm -rf "$apt"
}

# take ROOT FOLDER NAME...: copies programs out of an unpacked root, whichever bin they live in.
take() {
  local root=$1 to=$2 name found; shift 2
  for name in "$@"; do
    found=$(find "$root" -type f -name "$name" \( -path '*bin/*' -o -path '*cli-plugins/*' \) -print -quit)
    [ -n "$found" ] || die "no $name among the unpacked packages"
    cp "$found" "$to/$name"
  done
}

# Programs that this host's libc cannot start get the libraries of their own suite.
adapt() {
  local bin=$1 lib=$2 root=$3 program
  for program in "$bin"/*; do
    case $(ldd "$program" 2>&1) in *"not found"*) ;; *) continue ;; esac
    if [ ! -e "$lib/ld.so" ]; then
      find "$root" -path '*linux-gnu/*' ! -path '*/gconv/*' -name '*.so*' -exec cp -L -n {} "$lib/" \; 2>/dev/null || true
      cp -L "$(find "$root" -name 'ld-linux*.so.*' -print -quit)" "$lib/ld.so"
    fi
    patchelf --set-interpreter "$lib/ld.so" --force-rpath --set-rpath "$lib" "$program"
  done
  for program in dockerd containerd runc docker; do
    "$bin/$program" --version >/dev/null || die "$program of $suite does not run on this host"
  done
}

# bin/ appears last and by one rename, so that an interrupted run leaves nothing that looks finished.
install_engine() {
  [ -x "$dir/bin/dockerd" ] && return
  local new="$dir/new" init=tini client
  say "unpacking the engine of Debian $suite into $dir"
  rm -rf "$new" "${dir:?}"/{lib,config}; mkdir -p "$new/bin" "$dir/lib" "$dir/config/cli-plugins"
  [ "$suite" != sid ] || init=tini-static
  fetch "$suite" "$new/root" docker.io runc "$init"
  # Bookworm has no buildx; the next suite's client and plugins speak to the old engine as well.
  client=$suite; [ "$suite" != bookworm ] || client=trixie
  fetch "$client" "$new/client" docker-cli docker-compose docker-buildx
  take "$new/root" "$new/bin" dockerd containerd containerd-shim-runc-v2 runc docker-proxy tini-static
  mv "$new/bin/tini-static" "$new/bin/docker-init"
  take "$new/client" "$new/bin" docker
  take "$new/client" "$dir/config/cli-plugins" docker-buildx docker-compose
  adapt "$new/bin" "$dir/lib" "$new/root"
  mv "$new/bin" "$dir/bin"
  rm -rf "$new"
}

answers() {
  DOCKER_HOST="unix://$dir/run/docker.sock" timeout 10 "$dir/bin/docker" version \
    --format 'Engine {{.Server.Version}}, API {{.Server.APIVersion}}' 2>/dev/null
}

# Each engine has a bridge of its own: two daemons on docker0 would hand out the same addresses.
make_bridge() {
  local bridge=$1
  ip link show "$bridge" >/dev/null 2>&1 || ip link add "$bridge" type bridge
  [ -n "$(ip -4 -o addr show "$bridge")" ] || ip addr add "10.$net.$number.1/24" dev "$bridge"
  ip link set "$bridge" up
}

# After a reboot the process ids on record may belong to anybody, and dockerd would wait for them.
forget_the_dead() {
  local record="$dir/run/exec/containerd/containerd.pid"
  rm -f "$dir/run/docker.pid"
  grep -qsz containerd "/proc/$(cat "$record" 2>/dev/null)/cmdline" && return
  # What it knows of containers that live on without it stays, for an engine that is told to find them again.
  case ${PIPELINEX_ENGINE_CONFIG:-} in
    *live-restore*) rm -f "$record" ;;
    *) rm -rf "$dir/run/exec/containerd" ;;
  esac
}

start() {
  local bridge="plx$net-$number" deadline=$((SECONDS + 60))
  make_bridge "$bridge"
  mkdir -p "$dir/run" "$dir/data"
  forget_the_dead
  echo "${PIPELINEX_ENGINE_CONFIG:-{\}}" >"$dir/config/daemon.json" # never the host's own /etc/docker/daemon.json
  PATH="$dir/bin:$PATH" setsid "$dir/bin/dockerd" --config-file "$dir/config/daemon.json" --bridge "$bridge" \
    --default-address-pool "base=10.$((net + number)).0.0/16,size=26" \
    --host "unix://$dir/run/docker.sock" --data-root "$dir/data" --exec-root "$dir/run/exec" \
    --pidfile "$dir/run/docker.pid" >"$dir/dockerd.log" 2>&1 </dev/null &
  local pid=$!
  until answers >/dev/null; do
    if ! kill -0 "$pid" 2>/dev/null || [ $SECONDS -gt $deadline ]; then
      tail -n 15 "$dir/dockerd.log" >&2
      die "the engine of $suite did not start; its log is $dir/dockerd.log"
    fi
    sleep 0.3
  done
}

# The newest engines empty the chain of all when one of them starts, and write in only what is theirs. What the others' default
# bridge needs goes where no engine writes; networks that are made later bring their own.
let_through() {
  local subnet=10.$net.$number.0/24
  iptables -N DOCKER-USER 2>/dev/null || true
  iptables -C DOCKER-USER -s "$subnet" -j ACCEPT 2>/dev/null || iptables -I DOCKER-USER -s "$subnet" -j ACCEPT
  iptables -C DOCKER-USER -d "$subnet" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT 2>/dev/null ||
    iptables -I DOCKER-USER -d "$subnet" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
}

print_env() {
  echo "export DOCKER_HOST=unix://$dir/run/docker.sock DOCKER_CONFIG=$dir/config PATH=$dir/bin:\$PATH"
}

up() {
  [ "$(id -u)" = 0 ] || die "needs root: engines make namespaces and bridges"
  mkdir -p "$dir"
  exec 9>"$dir/.lock"; flock 9
  install_tools
  install_engine
  answers >/dev/null || start 9>&-
  let_through
  say "$suite: $(answers)"
  print_env
}

down() {
  local pid
  pid=$(cat "$dir/run/docker.pid" 2>/dev/null) || { say "$suite: not running"; return 0; }
  grep -qz dockerd "/proc/$pid/cmdline" 2>/dev/null || { say "$suite: not running"; return 0; }
  kill "$pid"
  for _ in $(seq 150); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.2; done
  die "the engine of $suite (process $pid) does not stop"
}

case "${1:-}" in
  up) up ;;
  env)
    answers >/dev/null || die "the engine of $suite does not run: $0 up $suite"
    print_env
    ;;
  down) down ;;
  *) sed -n '2,14p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 64 ;;
esac
