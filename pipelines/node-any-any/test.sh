#!/usr/bin/env bash
# TEST: runs the tests without a network, and makes the runner write JUnit XML to .pipelinex-junit.
#
# The project's own script runs as it is, by its own installer: what adds the report is in the environment (report.cjs), so that it is
# made wherever the runner is called, in a script of a script or in each member of a workspace.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=node.sh
. "$PIPELINES_DIR/node.sh"
begin_stage

cd "$APP_DIR"
script=$(project test)
bun_tests=$(project bun_tests)
[ -n "$script$bun_tests" ] || not_applicable "package.json has no script \`test\` but the one of npm init: there are no tests"
reports=.pipelinex-junit
rm -rf "$reports"
mkdir "$reports"

options="--require=$PIPELINES_DIR/report.cjs"
# These would be one file for all who write it, so they are set where Node runs tests and not for every process that might.
[ "$(project runner)" != node ] ||
  options+=" --test-reporter=spec --test-reporter-destination=stdout --test-reporter=junit --test-reporter-destination=$PWD/$reports/junit.xml"
jest=$PWD/node_modules/jest-junit
[ -d "$jest" ] || jest=$CACHE_DIR/test-tools/node_modules/jest-junit
[ ! -d "$jest" ] || export PIPELINEX_JEST_JUNIT=$jest
export PIPELINEX_JUNIT=$PWD/$reports JEST_JUNIT_OUTPUT_DIR=$PWD/$reports JEST_JUNIT_UNIQUE_OUTPUT_NAME=true
# bun's own runner takes its report from its command line alone: whoever calls it calls this one.
if [ "$manager" = bun ]; then
  mkdir -p "$CACHE_DIR/bun-junit"
  printf '#!/usr/bin/env bash\nif [ "${1:-}" = test ]; then set -- "$@" --reporter=junit --reporter-outfile="%s/junit-$$.xml"; fi\nexec "%s" "$@"\n' \
    "$PIPELINEX_JUNIT" "$bun_home/bin/bun" >"$CACHE_DIR/bun-junit/bun"
  chmod +x "$CACHE_DIR/bun-junit/bun"
  export PATH="$CACHE_DIR/bun-junit:$PATH"
fi
run_tests() { if [ -n "$script" ]; then run_script "$script"; else bun test; fi; }
code=0
NODE_OPTIONS="${NODE_OPTIONS:-} $options" run_tests || code=$?
# Only detail for people: the worker counts the tests itself, from the same file.
count() { cat "$reports"/*.xml 2>/dev/null | grep -o "$1" | wc -l || true; }
if compgen -G "$reports/*.xml" >/dev/null; then
  finish "$code" "$(count '<testcase') tests, $(count '<failure') failures"
fi
finish "$code" "exit code $code; this test runner writes no JUnit report here"
