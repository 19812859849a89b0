#!/usr/bin/env bash
# `make projects`: projects as people have them, each run to its end on one engine, and a table of what became of them. How a row is
# written, and what real ones are tried, is in dev/projects/README.md.
#
#   dev/projects.sh                         the stand-ins, made of the examples
#   dev/projects.sh machine war             only these rows
#   PIPELINEX_PROJECTS=DIR dev/projects.sh  real projects, from clones in DIR; nothing is fetched
#
# Runs on the engine that `docker` reaches, else on the newest of Debian's packages.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

trust_more
docker version >/dev/null 2>&1 || use_engine "$newest"
"$root/runner-images/build.sh" usual java21-maven java25-maven rust1.96 php8.4 ruby3.3
PIPELINEX_STAND_INS=whole PIPELINEX_ROWS=$(IFS=,; echo "$*") cargo test --package pipelinex --all-features --test projects -- --nocapture
