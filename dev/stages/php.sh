# BUILD, TEST, PACKAGE and the start of the application for PHP; sourced by dev/test-stages.sh. Nothing here has a network: the examples
# need no more than the image has.
# shellcheck shell=bash disable=SC2154,SC2034

php_version=8.4 php_image=$(image php8.4)
stack=php-any-any
php_stage() { step "$1" "$php_image" none rw "bash \"\$PIPELINES_DIR/$2.sh\"" --env PHP_VERSION="$php_version"; }
# What the application answers at a path once it is up, by what PACKAGE made of it.
php_answers() { # PATH [CURL_OPTION]
  rm -rf "$work/made"; mkdir "$work/made"; cp -r "$job/app/pipelinex-package" "$work/made/"
  rm -rf "$job/app"; cp -r "$work/made" "$job/app"; chmod -R a+rX "$job/app"
  step SMOKE-TEST "$php_image" none ro "timeout 60 bash \"\$PIPELINES_DIR/start.sh\" & app=\$!; for _ in \$(seq 100); do
    curl ${2:--fsS} 'http://127.0.0.1:8000$1' && exit 0; kill -0 \$app || exit 3; sleep 0.2; done; exit 1" --env PORT=8000
}

for php_version in ${php_versions:-8.4}; do
php_image=$(image "php$php_version")
new_job php-application
hard "php $php_version" "$php_image"
php_stage BUILD build
expect "php $php_version: BUILD makes the autoloader" [ -e "$job/app/vendor/autoload.php" ]
expect "php $php_version: BUILD warns of the lock file that is not there" message build "composer update"
php_stage TEST test
expect "php $php_version: TEST passes by the image's PHPUnit" [ "$code" = 0 ]
expect "php $php_version: TEST leaves JUnit XML" grep -q 'tests="3"' "$job/app/.pipelinex-junit/junit.xml"
php_stage PACKAGE package
expect "php $php_version: PACKAGE says how it is started" grep -qx "root public" "$job/app/pipelinex-package/start"
php_answers "/greeting?name=Ada"
expect "php $php_version: the archive starts and answers" grep -q "Hello, Ada!" "$work/log"
done
php_version=8.4 php_image=$(image php8.4)

new_job php-failing-test
php_stage BUILD build
php_stage TEST test
expect "php, failing test: TEST exits 1 without a phpunit.xml" [ "$code" = 1 ]
expect "php, failing test: one of two" grep -q 'tests="2".* failures="1"' "$job/app/.pipelinex-junit/junit.xml"
php_stage PACKAGE package
expect "php, library: PACKAGE makes Composer's archive, and nothing is started" [ -n "$(ls "$job"/app/pipelinex-package/*.tar)" ]
expect "php, library: nothing starts it" [ ! -e "$job/app/pipelinex-package/start" ]

new_job php-syntax-error
php_stage BUILD build
expect "php, syntax error: BUILD fails and names file and line" message build "count.php:5: "
php_stage TEST test
expect "php, no tests: TEST is not applicable" result test '.status == "SKIPPED"'

new_job php-crash-at-start
php_stage BUILD build
expect "php, pages alone: nothing is installed" [ "$code" = 0 ]
php_stage PACKAGE package
php_answers / -sS
expect "php, no licence: the log says why" grep -q "no licence: set LICENCE_KEY" "$work/log"

# A runner that the project names and does not bring is not replaced by another.
new_job php-application
printf '<?php // the runner of the project\nforeach ($argv as $i => $word) { if ($word === "--log-junit") { copy("own.xml", $argv[$i + 1]); } }\n' >"$job/app/own-runner.php"
mkdir -p "$job/app/vendor/bin"; cp "$job/app/own-runner.php" "$job/app/vendor/bin/phpunit"
printf '<testsuites><testsuite name="own" tests="1"><testcase name="ran"/></testsuite></testsuites>\n' >"$job/app/own.xml"
hand_over
php_stage TEST test
expect "php: the project's own runner runs the tests" grep -q 'name="own"' "$job/app/.pipelinex-junit/junit.xml"
stack=java-spring-boot-maven
