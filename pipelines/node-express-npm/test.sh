#!/usr/bin/env bash
# TEST: runs the tests without a network, and makes the runner write JUnit XML to .pipelinex-junit.
#
# The project's own script `test` decides which runner it is, and npm runs it; only the report is added.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=npm.sh
. "$PIPELINES_DIR/npm.sh"
begin_stage

cd "$APP_DIR"
reports=.pipelinex-junit
rm -rf "$reports"
mkdir "$reports"
has_tests || finish 0 "package.json has no script \`test\`: nothing was run"

script=$(manifest 'p.scripts.test')
code=0
case $script in
  *vitest*)
    npm test -- --run --reporter=default --reporter=junit --outputFile.junit="$reports/junit.xml" || code=$?
    ;;
  *jest*)
    # jest writes JUnit by a reporter that the project brings, or not at all.
    if [ -d node_modules/jest-junit ]; then
      JEST_JUNIT_OUTPUT_DIR="$PWD/$reports" JEST_JUNIT_OUTPUT_NAME=junit.xml npm test -- --ci --reporters=default --reporters=jest-junit || code=$?
    else
      npm test -- --ci || code=$?
    fi
    ;;
  *mocha*)
    npm test -- --reporter xunit --reporter-option output="$reports/junit.xml" || code=$?
    ;;
  *"node --test"* | *"node:test"* | *"node --experimental"*)
    # Node takes these from the environment, so the project's own command stays as it is.
    NODE_OPTIONS="${NODE_OPTIONS:-} --test-reporter=spec --test-reporter-destination=stdout --test-reporter=junit --test-reporter-destination=$PWD/$reports/junit.xml" \
      npm test || code=$?
    ;;
  *)
    npm test || code=$?
    ;;
esac
# Only detail for people: the worker counts the tests itself, from the same file.
count() { cat "$reports"/*.xml 2>/dev/null | grep -o "$1" | wc -l || true; }
if compgen -G "$reports/*.xml" >/dev/null; then
  finish "$code" "$(count '<testcase') tests, $(count '<failure') failures"
fi
finish "$code" "exit code $code; this test runner writes no JUnit report here"
