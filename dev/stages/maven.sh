# BUILD, TEST and PACKAGE; sourced by dev/test-stages.sh.
# shellcheck shell=bash disable=SC2154

# A job's BUILD may have a network; with nothing but the warm repository it must do without.
build() { step BUILD "$java_image" none rw "bash \"\$PIPELINES_DIR/global/maven/build.sh\""; }
unit_tests() { step TEST "$java_image" none rw "bash \"\$PIPELINES_DIR/global/maven/test.sh\""; }
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
record=.pipelinex/applications.sha256
checked() { (cd "$job/app" && sha256sum --check --status "$record"); }
expect "PACKAGE writes the jar down by name and digest" checked
expect "PACKAGE says which it is" message package '^packaged target/greeter-1.0.0.jar$'
# As SMOKE-TEST starts it: what is written down and no other file, also where another one could be started.
# In place of the virtual machine stands a program that says what it was asked for.
starting() {
  step SMOKE-TEST "$java_image" none ro 'mkdir /tmp/bin; printf "#!/bin/sh\necho \"java \$*\"\n" >/tmp/bin/java; chmod +x /tmp/bin/java
    PATH=/tmp/bin:$PATH bash "$PIPELINES_DIR/start.sh"' "$@"
}
cp "$job/app/target/greeter-1.0.0.jar" "$job/app/target/another-2.jar"; echo >>"$job/app/target/greeter-1.0.0.jar"
starting
expect "a jar that is not the one of the record is not started" grep -q 'greeter-1.0.0.jar is not the file that PACKAGE wrote down' "$work/log"

new_job spring-boot-modules
build
expect "modules: BUILD works from the warm repository alone" [ "$code" = 0 ]
# As a plugin writes it while the tests run.
install -D -o 10001 -g 10001 /dev/null "$job/app/core/target/site/jacoco/jacoco.xml"
chown -R 10001:10001 "$job/app/core/target"; touch -d '1 hour' "$job/app/core/target/site/jacoco/jacoco.xml"
unit_tests
expect "modules: reports of coverage are kept, too" [ -e "$job/reports/test/jacoco/core.xml" ]
reports() { [ "$(find "$job/app" -name 'TEST-*.xml' | wc -l)" = 2 ]; }
expect "modules: TEST leaves the reports of both" reports
package
expect "modules: the one application is named" message package '^packaged web/target/web-1.0.0.jar$'
sed -i 's|<artifactId>core</artifactId>|&<build><plugins><plugin><groupId>org.springframework.boot</groupId><artifactId>spring-boot-maven-plugin</artifactId><configuration><classifier>exec</classifier><mainClass>dev.pipelinex.shop.core.Prices</mainClass></configuration></plugin></plugins></build>|' "$job/app/core/pom.xml"
package
expect "modules: PACKAGE names all that can be started" message package '^packaged core/target/core-1.0.0-exec.jar, web/target/web-1.0.0.jar$'
starting
expect "modules: of two nobody guesses" grep -q 'several applications: core/target/core-1.0.0-exec.jar, web/target/web-1.0.0.jar; name the module' "$work/log"
starting --env APPLICATION=web
expect "modules: the one that is named is started" grep -q '^java .* -jar /home/runner/app/web/target/web-1.0.0.jar --server.port=8080' "$work/log"
starting --env APPLICATION=none
expect "modules: a name that means none is told" grep -q '`none` is no application of this build' "$work/log"
sed -i 's|<build>.*</build>||; /<build>/,/<\/build>/d' "$job/app/core/pom.xml" "$job/app/web/pom.xml"
package
expect "modules: without the plugin PACKAGE fails" [ "$code" = 1 ]
expect "modules: it says what to add" message package 'nothing that was packaged can be started (core/target/core-1.0.0.jar, web/target/web-1.0.0.jar): .* add the spring-boot-maven-plugin'

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
