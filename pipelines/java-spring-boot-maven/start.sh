#!/usr/bin/env bash
# Starts the packaged application for SMOKE-TEST and DAST. It runs in a container of its own that has the artifacts
# of PACKAGE at $APP_DIR; what it prints is kept as app.log.
set -euo pipefail

shopt -s nullglob globstar
application=""
for jar in "$APP_DIR"/**/*.jar; do
  case $jar in *-sources.jar | *-javadoc.jar | *-plain.jar) continue ;; esac
  # The names of a ZIP's entries stand in it as they are. Of several applications the largest is taken.
  grep -aqE 'BOOT-INF/classes/|org/springframework/boot/loader/' "$jar" || continue
  if [ -z "$application" ] || [ "$(stat -c %s "$jar")" -gt "$(stat -c %s "$application")" ]; then application=$jar; fi
done
if [ -z "$application" ]; then
  echo "there is no executable jar among the artifacts: does the pom use spring-boot-maven-plugin?" >&2
  exit 1
fi

# A short life gains nothing from the JVM's second compiler, nor from a collector with threads of its own. The port and
# the address are those that the test asks, whatever the project's own settings say.
echo "starting ${application#"$APP_DIR/"}"
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -XX:MaxRAMPercentage=60 -Djava.io.tmpdir=/tmp \
  -jar "$application" --server.port=8080 --server.address=0.0.0.0
