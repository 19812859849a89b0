#!/usr/bin/env bash
# TEST: runs the unit tests, offline, on what BUILD compiled. JUnit XML stays at target/surefire-reports.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=maven.sh
. "$PIPELINES_DIR/maven.sh"
begin_stage

cd "$APP_DIR"
code=0
maven -o test || code=$?
shopt -s nullglob globstar
reports=(**/target/surefire-reports/TEST-*.xml)
# Only detail for people: the worker counts the tests itself, from the same files.
count() { cat "${reports[@]}" /dev/null | sed -n 's/.*<testsuite .* '"$1"'="\([0-9]*\)".*/\1/p' | awk '{n += $1} END {print n + 0}'; }
summary="$(count tests) tests, $(count failures) failures, $(count errors) errors, $(count skipped) skipped"
finish "$code" "$summary"
