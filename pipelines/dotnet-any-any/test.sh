#!/usr/bin/env bash
# TEST: runs the tests without a network. What dotnet writes of itself (TRX) becomes JUnit XML in .pipelinex-junit, as few projects
# bring a logger for that.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=dotnet.sh
. "$PIPELINES_DIR/dotnet.sh"
begin_stage

cd "$APP_DIR"
reports=$PWD/.pipelinex-junit
rm -rf "$reports"
mkdir "$reports"
code=0 number=0
while read -r project; do
  is_test "$project" || continue
  number=$((number + 1))
  dotnet test "$project" --no-build "${quiet[@]}" --logger trx --results-directory "$CACHE_DIR/trx-$number" </dev/null || code=$?
  while read -r trx; do perl "$PIPELINES_DIR/junit.pl" <"$trx" >"$reports/junit-$number-$(basename "$trx" .trx | tr -c 'A-Za-z0-9\n' '-').xml"; done \
    < <(find "$CACHE_DIR/trx-$number" -name '*.trx' 2>/dev/null)
done < <(projects)
[ "$number" -gt 0 ] || not_applicable "there are no tests: no project names Microsoft.NET.Test.Sdk"
# Only detail for people: the worker counts the tests itself, from the same files.
finish "$code" "exit code $code"
