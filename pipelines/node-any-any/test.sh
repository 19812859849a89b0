#!/usr/bin/env bash
# TEST: runs the tests without a network, and makes the runner write JUnit XML to .pipelinex-junit.
#
# The project's own script decides which runner it is, and its own installer runs it; only the report is added.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=node.sh
. "$PIPELINES_DIR/node.sh"
begin_stage

cd "$APP_DIR"
script=$(project test)
[ -n "$script" ] || not_applicable "package.json has no script \`test\` but the one of npm init: there are no tests"
reports=.pipelinex-junit
rm -rf "$reports"
mkdir "$reports"

code=0
case $(project runner) in
  vitest) run_script "$script" --run --reporter=default --reporter=junit --outputFile.junit="$reports/junit.xml" || code=$? ;;
  jest)
    reporter=jest-junit
    [ -d node_modules/jest-junit ] || reporter=$CACHE_DIR/test-tools/node_modules/jest-junit
    export JEST_JUNIT_OUTPUT_DIR="$PWD/$reports" JEST_JUNIT_OUTPUT_NAME=junit.xml
    if [ "$reporter" = jest-junit ] || [ -d "$reporter" ]; then
      run_script "$script" --ci --reporters=default --reporters="$reporter" || code=$?
    else
      run_script "$script" --ci || code=$?
    fi
    ;;
  mocha) run_script "$script" --reporter xunit --reporter-option output="$reports/junit.xml" || code=$? ;;
  node)
    # Node takes these from the environment, so the project's own command stays as it is.
    NODE_OPTIONS="${NODE_OPTIONS:-} --test-reporter=spec --test-reporter-destination=stdout --test-reporter=junit --test-reporter-destination=$PWD/$reports/junit.xml" \
      run_script "$script" || code=$?
    ;;
  other) run_script "$script" || code=$? ;;
esac
# Only detail for people: the worker counts the tests itself, from the same file.
count() { cat "$reports"/*.xml 2>/dev/null | grep -o "$1" | wc -l || true; }
if compgen -G "$reports/*.xml" >/dev/null; then
  finish "$code" "$(count '<testcase') tests, $(count '<failure') failures"
fi
finish "$code" "exit code $code; this test runner writes no JUnit report here"
