#!/usr/bin/env bash
# Starts the packaged application for SMOKE-TEST and DAST. It runs in a container of its own that has the artifacts
# of PACKAGE at $APP_DIR; what it prints is kept as app.log. Only a file that PACKAGE wrote down is started.
set -euo pipefail
# shellcheck source=../global/java/application.sh
. "$PIPELINES_DIR/global/java/application.sh"

choose_application
# A short life gains nothing from the JVM's second compiler, nor from a collector with threads of its own. The port and
# the address are those that the test asks, whatever the project's own settings say.
echo "starting $application"
# The artifacts are read-only, and many applications write beside themselves (uploads, a database in a file): what they call "here"
# is a folder that can be written.
case $application in /*) ;; *) application=$PWD/$application ;; esac
if [ -w "$HOME" ]; then cd "$HOME"; fi
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -XX:MaxRAMPercentage=60 -Djava.io.tmpdir=/tmp \
  -jar "$application" --server.port=8080 --server.address=0.0.0.0
