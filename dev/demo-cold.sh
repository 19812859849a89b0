#!/usr/bin/env bash
# `make demo` as a stranger runs it: in a container that holds only Debian and a Rust toolchain, on a fresh clone.
#
#   dev/demo-cold.sh           (make demo-cold) a privileged container, in which the demo finds no engine and starts one of its
#                              own; prints how long the first `make demo` took and how long the second, and leaves nothing
#   dev/demo-cold.sh --kept    (a part of make test) a container that is kept for the next time with all that was built in
#                              it, and that uses the engine and the runner images that are here, over the engine's socket
#
# The clone has what this checkout has, committed or not. Certificates that this machine trusts besides the public ones go
# in by PIPELINEX_CA_CERTS, as anybody would pass them. Ends with the exit code of `make demo`.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../runner-images/versions.env
. "$root/runner-images/versions.env"
# shellcheck source=../runner-images/lib/engine.sh
. "$root/runner-images/lib/engine.sh"

say() { printf 'demo-cold: %s\n' "$*" >&2; }
die() { say "$*"; exit 2; }
inside() { docker exec "${environment[@]}" "$name" bash -ec "$1"; }

# What is in the checkout, as a commit in a repository of its own. The index of the checkout is not touched.
pack_checkout() {
  local tree commit
  cp "$(git -C "$root" rev-parse --absolute-git-dir)/index" "$work/index"
  tree=$(cd "$root" && export GIT_INDEX_FILE=$work/index && git add --all && git write-tree)
  commit=$(git -C "$root" rev-parse HEAD)
  [ "$tree" = "$(git -C "$root" rev-parse 'HEAD^{tree}')" ] ||
    commit=$(git -C "$root" -c user.name=demo -c user.email=demo@localhost commit-tree -p HEAD -m "what is in the checkout" "$tree")
  git init --quiet --bare --initial-branch main "$work/pipelinex.git"
  git -C "$work/pipelinex.git" config receive.shallowUpdate true
  git -C "$root" push --quiet "$work/pipelinex.git" "$commit:refs/heads/main"
}

# What this machine trusts besides the public certificates: Debian's place for them, and the product's own variable.
pack_certificates() {
  cat /usr/local/share/ca-certificates/*.crt "${PIPELINEX_CA_CERTS:-/dev/null}" >"$work/more.pem" 2>/dev/null || true
  [ ! -s "$work/more.pem" ] || environment+=(--env PIPELINEX_CA_CERTS=/more.pem)
}

# The container does nothing by itself. The toolchain of this machine is mounted: nothing else of the machine is.
create() { # OPTION...
  local toolchain
  toolchain=$(rustc --print sysroot)
  choose_base
  docker create --name "$name" --label "pipelinex.cache=demo" --init --volume "$toolchain:/opt/rust:ro" "$@" "$base" sleep infinity >/dev/null
}

# An engine needs a file system below it that can carry an overlay, which the container's own cannot; so does the workspaces
# folder. Its networks must not be those of the engine in which it runs.
create_alone() {
  create --privileged --cgroupns host --volume /var/tmp/pipelinex-engines --volume /workspaces
}

# As `docker` works here it works inside: the same socket, the same client at the same place. The worker finds out where the
# engine has its workspaces folder, which is a named volume.
create_beside() {
  [ -d "$engine/config" ] || die "--kept is for an engine of dev/engine.sh"
  docker volume create --label pipelinex.cache=demo "$name" >/dev/null
  create --volume "${DOCKER_HOST#unix://}:${DOCKER_HOST#unix://}" --volume "$engine/bin:$engine/bin:ro" --volume "$engine/lib:$engine/lib:ro" \
    --volume "$engine/config:$engine/config:ro" --volume "$name:/workspaces"
}

forget() { { docker rm --force --volumes "$name"; docker volume rm --force "$name"; } >/dev/null 2>&1 || true; }

clone() { # what a stranger types before `make demo`; a later time what somebody does who comes back
  inside 'rm -rf /tmp/pipelinex.git' # of one that was interrupted
  docker cp "$work/pipelinex.git" "$name:/tmp/" >/dev/null
  docker cp "$work/more.pem" "$name:/more.pem" >/dev/null
  inside 'command -v git >/dev/null && command -v make >/dev/null || { apt-get -qq update && apt-get install -y -qq --no-install-recommends git make; } >/dev/null
    git config --global --replace-all safe.directory "*"
    if [ -d ~/pipelinex ]; then cd ~/pipelinex && git fetch --quiet /tmp/pipelinex.git main && git reset --quiet --hard FETCH_HEAD
    else git clone --quiet /tmp/pipelinex.git ~/pipelinex; fi
    rm -rf /tmp/pipelinex.git'
}

# A program says what it was built from.
says_its_commit() {
  inside 'cd ~/pipelinex && target/demo/pipelinex --version | grep -F "($(git rev-parse --short=12 HEAD))"' ||
    die "the program does not say the commit that it was built from"
}

# demo WHICH: runs it, and looks whether its page is really there.
demo() {
  local begun=$SECONDS code=0 page
  inside 'cd ~/pipelinex && make demo' 2>&1 | tee "$work/said" || code=$?
  say "$1: make demo ended with exit code $code after $((SECONDS - begun)) s"
  [ "$code" = 0 ] || return "$code"
  page=$(sed -n 's/^demo: its page: *//p' "$work/said")
  inside "curl -fsS '$page'" >"$work/page"
  grep -q 'class="sentence"' "$work/page" || die "the page that the demo names does not show the job: $page"
}

cold() {
  local begun first second
  name=pipelinex-demo-cold-$$
  environment+=(--env "PIPELINEX_ENGINE_NET=$((${PIPELINEX_ENGINE_NET:-223} - 100))")
  trap 'forget; rm -rf "$work"' EXIT
  create_alone
  docker start "$name" >/dev/null
  begun=$SECONDS
  clone
  demo "from nothing"; first=$((SECONDS - begun))
  says_its_commit
  docker restart --time 20 "$name" >/dev/null # the server and the engine of the first time are gone, as after a reboot
  begun=$SECONDS
  demo "the second time"; second=$((SECONDS - begun))
  say "on $(nproc) cores: $first s from nothing, $second s the second time"
}

kept() {
  name=pipelinex-demo
  engine=$(dirname "$(dirname "${DOCKER_HOST#unix://}")") # its own client: what else is on the path is that of another engine
  environment+=(--env "DOCKER_HOST=$DOCKER_HOST" --env "DOCKER_CONFIG=$engine/config" --env BUILDX_CONFIG=/root/.buildx
    --env "PATH=/opt/rust/bin:$engine/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
  exec 9>"${DOCKER_HOST#unix://}.demo-lock"; flock 9
  trap 'docker stop --time 5 "$name" >/dev/null 2>&1; rm -rf "$work"' EXIT
  # One that cannot be started any more was made with a toolchain or an engine that moved.
  docker start "$name" >/dev/null 2>&1 && inside 'docker version' >/dev/null 2>&1 || { forget; create_beside; docker start "$name" >/dev/null; }
  clone
  demo "in the kept container"
  # The server clears up after the job for a moment yet: it ends first.
  local server
  server=$(sed -n 's/^demo: the server goes on; to end it: kill //p' "$work/said")
  inside "kill $server; while kill -0 $server 2>/dev/null; do sleep 0.1; done; find /workspaces -mindepth 1 -delete"
}

docker version >/dev/null 2>&1 || use_engine "$newest"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
environment=(--env HOME=/root --env CARGO_TERM_COLOR=never)
pack_checkout
pack_certificates
case ${1:-} in
  --kept) kept ;;
  "") environment+=(--env PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin); cold ;;
  *) sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 64 ;;
esac
