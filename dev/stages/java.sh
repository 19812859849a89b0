# Maven projects of no framework, with each JDK that there is an image of; sourced by dev/test-stages.sh.
# shellcheck shell=bash disable=SC2154,SC2034

stack=java-any-maven
of_java() { # VERSION STAGE [DOCKER_OPTION...]
  local version=$1 stage=$2; shift 2
  step "$stage" "$(image "java$version-maven")" none rw "bash \"\$PIPELINES_DIR/$(script_of "$stage")\"" "$@"
}
script_of() { case $1 in PACKAGE) echo package.sh ;; *) echo "global/maven/${1,,}.sh" ;; esac; }

for version in ${java_versions:-17 21 25}; do
  new_job java-http-server
  sed -i "s|<maven.compiler.release>17|<maven.compiler.release>$version|" "$job/app/pom.xml"
  of_java "$version" BUILD
  expect "java $version: BUILD works from the warm repository alone" [ "$code" = 0 ]
  of_java "$version" TEST
  expect "java $version: TEST passes" [ "$code" = 0 ]
  of_java "$version" PACKAGE
  expect "java $version: the program that serves is written down" message package '^packaged target/rounds-1.0.0.jar$'
  # What is asked at PORT of a program that answers there.
  step SMOKE-TEST "$(image "java$version-maven")" none ro 'bash "$PIPELINES_DIR/start.sh" & sleep 0.2
    for _ in $(seq 100); do curl -fs "http://127.0.0.1:8080/" && exit 0; sleep 0.2; done; exit 1' --env PORT=8080
  expect "java $version: it answers at the port that it is told" [ "$code" = 0 ]
  expect "java $version: as it should" grep -q '20.00' "$work/log"
done

new_job java-library
of_java 17 BUILD
of_java 17 TEST
expect "library: TEST passes" [ "$code" = 0 ]
of_java 17 PACKAGE
expect "library: PACKAGE says that nothing is started" message package 'no manifest names a main class, so nothing is started$'
expect "library: and writes nothing down" [ ! -e "$job/app/.pipelinex/applications.sha256" ]
stack=java-spring-boot-maven
