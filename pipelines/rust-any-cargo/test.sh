#!/usr/bin/env bash
# TEST: runs the tests without a network; what the test harness says becomes JUnit XML, in .pipelinex-junit.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=cargo.sh
. "$PIPELINES_DIR/cargo.sh"
begin_stage

cd "$APP_DIR"
reports=$PWD/.pipelinex-junit
rm -rf "$reports"
mkdir "$reports"
# The names of programs are on the standard error, and have to stand before what those print.
code=0
cargo test --workspace --offline --locked --no-fail-fast -- --color never 2>&1 | tee "$CACHE_DIR/tests.log" || code=$?
perl "$PIPELINES_DIR/junit.pl" <"$CACHE_DIR/tests.log" >"$reports/junit.xml" || finish 2 "what cargo test said could not be read"
grep -q '<testcase' "$reports/junit.xml" || { rm "$reports/junit.xml"; [ $code != 0 ] || not_applicable "there are no tests"; }
finish "$code" "exit code $code"
