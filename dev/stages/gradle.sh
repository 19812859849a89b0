# Gradle: BUILD, TEST and PACKAGE; sourced by dev/test-stages.sh.
#
# No registry of packages has Gradle's own distribution, so Debian's stands in for it here: 4.4.1, patched to run on Debian's JDK, in an
# archive as the wrapper fetches one. That newer ones work is seen where services.gradle.org answers.
# shellcheck shell=bash disable=SC2154,SC2034

stack=java-any-gradle
gradle_image=pipelinex-test/gradle
docker build --quiet --network host --tag "$gradle_image" --build-arg "IMAGE=$java_image" "$root/dev/stages/gradle-image" >/dev/null
trust=(--volume "$work/ca:/ca:ro" --env CURL_CA_BUNDLE=/ca/ca.pem --env SSL_CERT_FILE=/ca/ca.pem
  --env "JAVA_TOOL_OPTIONS=-Djavax.net.ssl.trustStore=/ca/truststore.p12 -Djavax.net.ssl.trustStorePassword=changeit")
mkdir -p "$work/ca"; cp /etc/ssl/certs/ca-certificates.crt "$work/ca/ca.pem"; chmod 777 "$work/ca"
docker run --rm --volume "$work/ca:/ca" --volume "$root/runner-images/java:/java:ro" "$gradle_image" java /java/TrustStore.java /ca/ca.pem /ca/truststore.p12
# The archive, and who hands it out: a container whose network BUILD shares.
mkdir -p "$work/hand/gradle-4.4.1/bin"
printf '#!/bin/sh\nexec /usr/bin/gradle "$@"\n' >"$work/hand/gradle-4.4.1/bin/gradle"
(cd "$work/hand" && python3 -c 'import shutil; shutil.make_archive("gradle-8.14.3-bin", "zip", ".", "gradle-4.4.1")')
chmod -R a+rX "$work/hand"
digest=$(sha256sum "$work/hand/gradle-8.14.3-bin.zip" | cut -d ' ' -f 1)
source=$(docker run --detach --volume "$work/hand:/hand:ro" --network host "$scan_image" python3 -m http.server --bind 127.0.0.1 --directory /hand 18917)
containers+=("$source")

build() { step BUILD "$gradle_image" host rw "bash \"\$PIPELINES_DIR/build.sh\"" "${trust[@]}" --env PIPELINEX_GRADLE_DISTRIBUTIONS=http://127.0.0.1:18917 "$@"; }
unit_tests() { step TEST "$gradle_image" none rw "bash \"\$PIPELINES_DIR/test.sh\""; }
package() { step PACKAGE "$gradle_image" none rw "bash \"\$PIPELINES_DIR/package.sh\""; }
wrapped() { sed -i "s/^distributionSha256Sum=.*/distributionSha256Sum=$1/" "$job/app/gradle/wrapper/gradle-wrapper.properties"; }

new_job java-gradle-server
build
expect "gradle: a distribution with another digest than the wrapper names is not used" [ "$code" = 1 ]
expect "gradle: it is told" message build "is not what was named: its SHA-256 is $digest, and not bd7110"
wrapped "$digest"
build
expect "gradle: BUILD fetches what the wrapper names, and compiles" message build '^compiled by gradle-8.14.3-bin.zip$'
unit_tests
expect "gradle: TEST passes without a network" [ "$code" = 0 ]
expect "gradle: TEST leaves JUnit XML" [ -e "$job/app/build/test-results/test/TEST-dev.pipelinex.rounds.RoundingTest.xml" ]
package
expect "gradle: PACKAGE writes the jar down" message package '^packaged build/libs/rounds-1.0.0.jar$'
step SMOKE-TEST "$gradle_image" none ro "PORT=8080 bash \"\$PIPELINES_DIR/start.sh\" & for i in \$(seq 100); do curl -fs http://127.0.0.1:8080/ && exit 0; sleep 0.2; done; exit 1"
expect "gradle: what is packaged starts and answers" grep -qx '20.00' "$work/log"

sed -i 's/20.00/20.01/' "$job/app/src/test/java/dev/pipelinex/rounds/RoundingTest.java"
unit_tests
expect "gradle: a test that fails fails TEST" [ "$code" = 1 ]
expect "gradle: it is in the JUnit XML" grep -q '<failure' "$job"/app/build/test-results/test/TEST-*.xml

sed -i 's/static BigDecimal/static Bigdecimal/' "$job/app/src/main/java/dev/pipelinex/rounds/Rounding.java"
build
expect "gradle: what does not compile fails BUILD" grep -q 'Rounding.java:[0-9]*: error: cannot find symbol' "$work/log"

# A program of several projects, whose jar has not all it needs.
new_job java-gradle-server
wrapped "$digest"
mkdir -p "$job"/app/{web,text/src/main/java/dev/pipelinex/text}
mv "$job/app/src" "$job/app/web/"
echo "include 'web', 'text'" >>"$job/app/settings.gradle"
sed '/^jar {/,/^}/d' "$job/app/build.gradle" >"$job/app/text/build.gradle"
sed "/^jar {/,/^}/d; s/id 'java'/id 'application'/" "$job/app/build.gradle" >"$job/app/web/build.gradle"
printf "mainClassName = 'dev.pipelinex.rounds.Server'\ndependencies { compile project(':text') }\n" >>"$job/app/web/build.gradle"
rm "$job/app/build.gradle"
echo 'package dev.pipelinex.text; public class Text {}' >"$job/app/text/src/main/java/dev/pipelinex/text/Text.java"
hand_over
build; unit_tests
expect "gradle, several projects: the tests of each" [ -e "$job/app/web/build/test-results/test/TEST-dev.pipelinex.rounds.RoundingTest.xml" ]
package
expect "gradle, several projects: what the plugin installs is the application" message package '^packaged web/build/install/web/bin/web$'
step SMOKE-TEST "$gradle_image" none ro "PORT=8080 bash \"\$PIPELINES_DIR/start.sh\" & for i in \$(seq 100); do curl -fs http://127.0.0.1:8080/ && exit 0; sleep 0.2; done; exit 1"
expect "gradle, several projects: it starts and answers" grep -qx '20.00' "$work/log"

new_job java-gradle-server
rm -r "$job/app/gradle"
build --env PIPELINEX_GRADLE_DISTRIBUTIONS=http://127.0.0.1:1
expect "gradle, no wrapper: it is told which Gradle is taken, and where an operator names a source" message build 'gradle-8.14.3-bin.zip, which is taken as there is no gradle/wrapper/gradle-wrapper.properties; .*--stack-file gradle/env'
docker image rm "$gradle_image" >/dev/null 2>&1 || true
