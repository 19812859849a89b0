# BUILD, TEST and PACKAGE; sourced by dev/test-stages.sh.
# shellcheck shell=bash disable=SC2154

# A job's BUILD may have a network; with nothing but the warm repository it must do without.
build() { step BUILD "$java_image" none rw "bash \"\$PIPELINES_DIR/build.sh\""; }
unit_tests() { step TEST "$java_image" none rw "bash \"\$PIPELINES_DIR/test.sh\""; }
package() { step PACKAGE "$java_image" none rw "bash \"\$PIPELINES_DIR/package.sh\""; }

new_job spring-boot-maven
build
expect "BUILD works from the warm repository alone" [ "$code" = 0 ]
expect "BUILD leaves no test results behind" [ ! -e "$job/app/target/surefire-reports" ]
unit_tests
expect "TEST passes" [ "$code" = 0 ]
expect "TEST says nothing that its reports say" result test '.message == ""'
expect "TEST leaves JUnit XML" [ -e "$job/app/target/surefire-reports/TEST-dev.pipelinex.greeter.GreetingServiceTest.xml" ]
package
expect "PACKAGE makes the jar" [ -s "$job/app/target/greeter-1.0.0.jar" ]
expect "PACKAGE's log is framed" grep -q '^\[PIPELINE\] END PACKAGE$' "$work/log"

new_job spring-boot-compile-error
build
expect "compile error: BUILD exits 1" [ "$code" = 1 ]
expect "compile error: the log has javac's words" grep -q 'cannot find symbol' "$work/log"
expect "compile error: result.json is FAILED" result build '.status == "FAILED"'

new_job spring-boot-failing-test
build
expect "failing test: BUILD passes" [ "$code" = 0 ]
unit_tests
expect "failing test: TEST exits 1" [ "$code" = 1 ]
expect "failing test: it is in the JUnit XML" grep -q '<failure' "$job"/app/target/surefire-reports/TEST-*.xml
