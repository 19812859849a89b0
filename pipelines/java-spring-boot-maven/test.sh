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
# No sum of our own: the worker counts what the JUnit reports say, and says it.
finish "$code"
