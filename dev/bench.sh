#!/usr/bin/env bash
# `make bench`: the benchmarks of the workspace, as released, on the oldest engine with warm images.
#
# Both programs add to target/bench.json in the clone, wherever cargo builds, and say the whole of it at their end. Words
# choose what is measured (`dev/bench.sh chain unpack`); without them the file begins anew.
# To try something quickly: CARGO_PROFILE_BENCH_LTO=off CARGO_PROFILE_BENCH_CODEGEN_UNITS=16 dev/bench.sh WORD
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

engine_with_images "${PIPELINEX_BENCH_ENGINE:-$oldest}"
export PIPELINEX_BENCH_JSON="$root/target/bench.json"
[ $# -gt 0 ] || rm -f "$PIPELINEX_BENCH_JSON"
# Both packages each time: their dependencies are then built once. And before: what is measured has the machine for itself.
bench() { cargo bench --package pipelinex-worker --package pipelinex --bench "$@"; }
bench '*' --no-run
bench steps -- "$@"
bench server -- "$@"
