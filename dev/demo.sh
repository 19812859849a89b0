#!/usr/bin/env bash
# `make demo`: from a bare machine to a real project that was built, tested, scanned, started and attacked, live in this
# terminal. Ends with the exit code of the job. The server goes on in the background, so that its pages can be looked at.
#
# What is there already is used: an engine that answers, images, a build. What would need tools to be compiled because no
# image of them can be pulled is left out, and said.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"
begun=$SECONDS

say() { printf 'demo: %s\n' "$*" >&2; }
die() { say "$*"; exit 2; }

# An engine of our own where none answers. Nothing of the system is changed: it lives in a folder and ends with the machine.
choose_engine() {
  if docker version >/dev/null 2>&1; then return; fi
  say "no Docker engine answers: starting one of Debian's packages (dev/engine.sh down bookworm ends it)"
  use_engine bookworm
}

# shellcheck source=../runner-images/versions.env
. runner-images/versions.env
# shellcheck source=../runner-images/lib/engine.sh
. runner-images/lib/engine.sh

has_sca() { docker image inspect "$(runner-images/build.sh --list | grep /sca:)" >/dev/null 2>&1; }

free_port() { # the first from 8000 on at which nobody listens
  local port=8000
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}

start_server() {
  local log deadline=$((SECONDS + 60))
  mkdir -p "$HOME/.cache/pipelinex"
  log=$(mktemp "$HOME/.cache/pipelinex/demo-XXXXXX.log")
  server=http://127.0.0.1:$(free_port)
  setsid "$program" serve --listen "${server#http://}" >"$log" 2>&1 </dev/null &
  pid=$!
  until "$program" --quiet health --server "$server" 2>/dev/null; do
    kill -0 "$pid" 2>/dev/null || { tail -n 5 "$log" >&2; die "the server did not start; its log is $log"; }
    [ $SECONDS -lt $deadline ] || die "the server does not answer; its log is $log"
    sleep 0.2
  done
  workspaces=$(sed -n 's/.* workspaces=\([^ ]*\).*/\1/p' "$log" | head -n 1)
}

dev/setup.sh demo
trust_more
choose_engine
wanted=(java17-maven scan)
! registry_answers "$SYFT_IMAGE" || wanted+=(sca)
runner-images/build.sh "${wanted[@]}" &
images=$!
say "building the program (beside the images)"
cargo build --profile demo --locked --package pipelinex
program=${CARGO_TARGET_DIR:-target}/demo/pipelinex
wait "$images" || die "the runner images could not be built; what failed is above"
left_out=""; has_sca || left_out=sca
ready=$((SECONDS - begun))
start_server
if [ -n "$left_out" ]; then
  say "left out: SCA, whose tools (syft, osv-scanner) cannot be pulled here and take some ten minutes to compile."
  say "          To add it: runner-images/build.sh sca && $program db update"
fi
say "submitting examples/spring-boot-maven"
code=0
id=$("$program" submit examples/spring-boot-maven --wait --server "$server" ${left_out:+--skip "$left_out"} | tail -n 1) || code=$?
cat >&2 <<END

demo: the job ended with exit code $code; ready after $ready s, $((SECONDS - begun)) s in all
demo: its folder:  $workspaces/$id
demo: its page:    $server/jobs/$id
demo: the server goes on; to end it: kill $pid
END
exit "$code"
