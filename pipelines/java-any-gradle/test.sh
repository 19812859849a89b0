#!/usr/bin/env bash
# TEST: runs the tests of all projects of the build, offline, on what BUILD compiled. JUnit XML stays at build/test-results.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
begin_stage
# shellcheck source=gradle.sh
. "$PIPELINES_DIR/gradle.sh"

begun=$(mktemp)
code=0
# A project whose tests fail does not keep those that do not need it from theirs.
gradle --offline --build-cache --continue pipelinexTest || code=$?
# Where the project measures coverage, its reports are kept: one for each of its projects.
while read -r report; do
  module=${report%/build/reports/*}; module=${module#.}; module=${module#/}
  mkdir -p "$stage_reports/jacoco"
  cp "$report" "$stage_reports/jacoco/$(tr / - <<<"${module:-project}").xml"
done < <(find . -type f -path '*/build/reports/jacoco/*' -name '*.xml' -newer "$begun")
# No sum of our own: the worker counts what the JUnit reports say, and says it.
finish "$code"
