#!/usr/bin/env bash
# TEST: runs the tests without a network, by the runner that the project brings or else by the image's PHPUnit, and leaves JUnit XML
# in .pipelinex-junit.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=php.sh
. "$PIPELINES_DIR/php.sh"
begin_stage

cd "$APP_DIR"
offline
reports=$PWD/.pipelinex-junit
rm -rf "$reports"
mkdir "$reports"
read -r kind program < <(project runner) || true
export XDEBUG_MODE=off
code=0
case ${kind:-} in
  "") not_applicable "there are no tests: no file is called *Test.php, there is no phpunit.xml, and composer.json has no script \`test\`" ;;
  script)
    composer run-script --no-interaction --timeout=0 "$program" || code=$?
    finish "$code" "exit code $code; this test runner writes no JUnit report here"
    ;;
esac
options=(--log-junit "$reports/junit.xml")
if [ ! -e phpunit.xml ] && [ ! -e phpunit.xml.dist ] && [ ! -e phpunit.dist.xml ]; then
  [ ! -e vendor/autoload.php ] || options+=(--bootstrap vendor/autoload.php)
  for folder in tests test Tests src .; do [ ! -d "$folder" ] || { options+=("$folder"); break; }; done
fi
case $program in
  phpunit) phpunit "${options[@]}" || code=$? ;;
  *) php -d memory_limit=-1 "$program" "${options[@]}" || code=$? ;;
esac
# Only detail for people: the worker counts the tests itself, from the same file.
finish "$code" "exit code $code"
