#!/usr/bin/env bash
# `make faults`: the long form of the fault stories, two at a time, on an engine of their own; at last those that restart it. Prints
# a table at the end and fails if anything was lost, doubled or left over. It took 26 minutes on two idle cores.
#
#   dev/faults.sh                  all of it
#   dev/faults.sh workers redis    only the stories whose names contain one of these words
#
# PIPELINEX_FAULTS_TIMES: how often each fault is made. PIPELINEX_FAULTS_SEED: repeats the chances of an earlier run.
# The engine is in ${PIPELINEX_ENGINES:-/var/tmp/pipelinex-engines}-faults; its bridges take 10.${PIPELINEX_ENGINE_NET:-231}.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

export PIPELINEX_ENGINES=${PIPELINEX_ENGINES:-/var/tmp/pipelinex-engines}-faults PIPELINEX_ENGINE_NET=${PIPELINEX_ENGINE_NET:-231}
suite=${PIPELINEX_FAULTS_ENGINE:-$newest}
log=$(mktemp); trap 'rm -f "$log"' EXIT

use_engine "$suite"
runner-images/build.sh scan
export PIPELINEX_FAULTS_LONG=1 PIPELINEX_FAULTS_RESTART=$suite

status=0 started=$SECONDS
stories() {
  cargo test --package pipelinex --all-features --test faults -- --nocapture "$@" 2>&1 | tee -a "$log" || status=$?
}
stories --test-threads=2 --skip engine_restarts "$@"
# Nobody else can use an engine that is restarted.
case " $* " in "  " | *restart*) stories --test-threads=1 engine_restarts ;; esac

heading "faults: $((SECONDS - started)) s, engine of Debian $suite"
echo "| what happens | faults | jobs | lost | doubled | left over | wrong end | |"
echo "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
grep '^| ' "$log" || true
if [ "$status" != 0 ]; then grep '^test .*FAILED$' "$log" || true; echo "faults: FAILED"; fi
exit "$status"
