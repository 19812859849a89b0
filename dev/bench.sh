#!/usr/bin/env bash
# `make bench`: the benchmarks of the workspace, release build, on the oldest engine with warm images.
# Arguments go to the benchmarks. They write target/bench.json in the clone, wherever cargo builds.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

engine_with_images "${PIPELINEX_BENCH_ENGINE:-$oldest}"
mkdir -p target
export PIPELINEX_BENCH_JSON="$root/target/bench.json"
cargo bench --package pipelinex --all-features --bench '*' -- "$@"
