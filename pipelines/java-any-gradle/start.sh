#!/usr/bin/env bash
# Starts the packaged application for SMOKE-TEST and DAST. It runs in a container of its own that has the artifacts of PACKAGE at
# $APP_DIR; what it prints is kept as app.log.
set -euo pipefail
# shellcheck source=../global/serve.sh
. "$PIPELINES_DIR/global/serve.sh"
made_in=build/libs
# shellcheck source=../global/java/application.sh
. "$PIPELINES_DIR/global/java/application.sh"

choose_application
# Where frameworks look for port and address; what goes by none of them is found where it listens.
export QUARKUS_HTTP_PORT=$PORT QUARKUS_HTTP_HOST=0.0.0.0 MICRONAUT_SERVER_PORT=$PORT MICRONAUT_SERVER_HOST=0.0.0.0
export SERVER_PORT=$PORT SERVER_ADDRESS=0.0.0.0 SERVER_HOST=0.0.0.0
# A short life gains nothing from the JVM's second compiler, nor from a collector with threads of its own.
export JAVA_OPTS="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -XX:MaxRAMPercentage=60 -Djava.io.tmpdir=/tmp"
# The artifacts are read-only, and many applications write beside themselves.
path=$(printf %q "$PWD/$application")
if [ -w "$HOME" ]; then cd "$HOME"; fi
case $application in
  *.jar | *.war) serve "exec java $JAVA_OPTS -jar $path" ;;
  *) serve "exec sh $path" ;;
esac
