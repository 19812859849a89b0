#!/usr/bin/env bash
# TEST: runs the tests without a network, and leaves JUnit XML in .pipelinex-junit.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=deno.sh
. "$PIPELINES_DIR/deno.sh"
begin_stage

cd "$APP_DIR"
reports=$PWD/.pipelinex-junit
rm -rf "$reports"
mkdir "$reports"
flags=$(project test_flags)
[ -n "$(project has_tests)$(project test_task)" ] || not_applicable "there are no tests: no file is called *_test.ts or *.test.ts, and no task \`test\`"
code=0
if [ -n "$flags" ]; then
  # The words of the project's own task, as its shell would split them.
  bash -c "exec deno test --cached-only --junit-path='$reports/junit.xml' $flags" || code=$?
  finish "$code" "exit code $code"
fi
deno task test || code=$?
finish "$code" "exit code $code; this task writes no JUnit report here"
