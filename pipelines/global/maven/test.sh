#!/usr/bin/env bash
# TEST: runs the unit tests of all modules, offline, on what BUILD compiled. JUnit XML stays at target/surefire-reports.
set -euo pipefail
# shellcheck source=../lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=maven.sh
. "$PIPELINES_DIR/global/maven/maven.sh"
begin_stage

cd "$APP_DIR"
# Tests that bring settings of their own for a database mean that one.
own=$(find . -path '*/src/test/resources/*' -name 'application*' -exec grep -l datasource {} + 2>/dev/null || true)
if [ -n "${SPRING_DATASOURCE_URL:-}" ] && [ -n "$own" ]; then
  echo "[PIPELINE] TEST: the tests have a datasource of their own: SPRING_DATASOURCE_URL and the like are not set"
  unset SPRING_DATASOURCE_URL SPRING_DATASOURCE_USERNAME SPRING_DATASOURCE_PASSWORD
fi
begun=$(mktemp)
code=0
# A module whose tests fail does not keep those that do not need it from theirs.
maven -o --fail-at-end test || code=$?
# Where the project measures coverage, its reports are kept: one for each module.
while read -r report; do
  module=${report%/target/site/jacoco/*}; module=${module#.}; module=${module#/}
  mkdir -p "$stage_reports/jacoco"
  cp "$report" "$stage_reports/jacoco/$(tr / - <<<"${module:-project}").${report##*.}"
done < <(find . -type f \( -path '*/target/site/jacoco/jacoco.xml' -o -path '*/target/site/jacoco/jacoco.csv' \) -newer "$begun")
# No sum of our own: the worker counts what the JUnit reports say, and says it.
finish "$code"
