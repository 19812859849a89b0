#!/usr/bin/env bash
# TEST: runs the tests without a network, by pytest (which runs those of unittest as well) or by Django's own command, and
# leaves JUnit XML in .pipelinex-junit.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=python.sh
. "$PIPELINES_DIR/python.sh"
begin_stage
# Tests see colours as they would elsewhere.
unset NO_COLOR

cd "$APP_DIR"
reports=$PWD/.pipelinex-junit
rm -rf "$reports"
mkdir "$reports"
project has_tests || not_applicable "there are no tests: no file is called test_*.py, *_test.py or tests.py"

python=$PWD/$python
export PYTHONPATH="$test_tools${PYTHONPATH:+:$PYTHONPATH}" PATH="$PWD/.venv/bin:$PATH"
manage=$(project manage)
code=0
if [ -n "$manage" ] && ! has_module pytest_django; then
  cd "$(dirname "$manage")"
  "$python" manage.py test --noinput --testrunner xmlrunner.extra.djangotestrunner.XMLTestRunner || code=$?
  find . -maxdepth 1 -name 'TEST-*.xml' -exec mv {} "$reports/" \;
else
  "$python" -m pytest -p no:cacheprovider --junitxml="$reports/junit.xml" || code=$?
  # pytest's own code for it.
  [ "$code" != 5 ] || { rm -rf "$reports"; not_applicable "pytest found no tests in the files that are called like some"; }
fi
# Only detail for people: the worker counts the tests itself, from the same files.
finish "$code" "exit code $code"
