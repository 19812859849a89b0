#!/usr/bin/env bash
# `make test`: everything, on the oldest and on the newest Docker engine, and one line at the end that counts.
#
# Programs that need an engine find the one to use in DOCKER_HOST and all of them in PIPELINEX_TEST_ENGINES.
# The whole workspace is tested on the oldest engine; what asks an engine for something is tested again on the newest, but for the
# fault stories (`make faults` runs those there).
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

log=$(mktemp); trap 'rm -f "$log"' EXIT
failures=() left_out=()
# Where a run is ended after a time (CI), what would begin too late is left out and said. By hand there is none.
latest_start=$((${PIPELINEX_TEST_MINUTES:-100000} * 60))

# part NAME COMMAND...: goes on after a failure, so that one run shows them all.
part() {
  local name=$1 started=$SECONDS; shift
  heading "$name"
  if [ "$started" -gt "$latest_start" ]; then left_out+=("$name"); echo "-- $name: LEFT OUT, $((started / 60)) minutes are gone"; return; fi
  if "$@" 2>&1 | tee -a "$log"; then echo "-- $name: passed in $((SECONDS - started)) s"
  else failures+=("$name"); echo "-- $name: FAILED after $((SECONDS - started)) s"; fi
}

# What asks an engine for something. The fault stories have a newest engine of their own, in `make faults`; the others that are left
# out are about files, processes, requests and pages, and the engine is in them by the way. The stages of each language run on the newest
# engine in `dev/test-stages.sh`.
container_tests() {
  local path name options=(--test cli --test e2e) others=()
  for name in languages pages people projects uploads history; do others+=(--skip "$name::"); done
  for path in worker/tests/*.rs; do
    name=$(basename "$path" .rs)
    case $name in bad_files | consumer | fencing | places | scale) ;; *) options+=(--test "$name") ;; esac
  done
  DOCKER_HOST=$newest_host cargo test --package pipelinex --package pipelinex-worker --all-features --no-fail-fast "${options[@]}" -- "${others[@]}"
}

# What is built for use has no place in it where a test can end it; cli/tests/faults/switched_off.rs shows that a program
# which has them contains the word.
no_fault_points() {
  local target=${CARGO_TARGET_DIR:-target}
  cargo build --package pipelinex || return
  if grep -q PIPELINEX_FAULTS "$target/debug/pipelinex"; then echo "the program has fault points without the feature"; return 1; fi
}

total() { # counts what cargo, dev/test-stages.sh and dev/test-rules.sh printed
  awk '/^test result:/ {p += $4; f += $6; i += $8} /^(stages|rules): / {p += $2; f += $4} END {printf "%d passed, %d failed, %d ignored", p, f, i}' "$log"
}

heading "engines and images"
engine_with_images "$newest"
newest_host=$DOCKER_HOST
engine_with_images "$oldest" "$newest_host"
oldest_host=$DOCKER_HOST
export PIPELINEX_TEST_ENGINES="$oldest_host $newest_host"

part "format" cargo fmt --all --check
part "lint" dev/lint.sh
part "no fault points in use" no_fault_points
host=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
export "CARGO_TARGET_${host}_RUNNER=$root/dev/run-test.sh"
part "workspace, oldest engine" env DOCKER_HOST="$oldest_host" cargo test --workspace --all-features --no-fail-fast
part "containers, newest engine" container_tests
part "stage scripts, newest engine" env DOCKER_HOST="$newest_host" java_versions=17 node_versions="" python_versions="" go_toolchains="" dev/test-stages.sh maven node python go secrets history sast sca target java
part "rules, newest engine" env DOCKER_HOST="$newest_host" dev/test-rules.sh
part "demo on a bare machine, newest engine" env DOCKER_HOST="$newest_host" dev/demo-cold.sh --kept

heading "total: $(total); ${#failures[@]} parts failed"
for failure in "${failures[@]}"; do echo "failed: $failure"; done
for name in "${left_out[@]}"; do echo "left out for want of time: $name"; done
[ ${#failures[@]} -eq 0 ]
