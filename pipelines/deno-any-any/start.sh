#!/usr/bin/env bash
# Starts the packaged application for SMOKE-TEST and DAST. It runs in a container of its own that has the artifacts of PACKAGE at
# $APP_DIR; what it prints is kept as app.log.
set -euo pipefail
# shellcheck source=../global/serve.sh
. "$PIPELINES_DIR/global/serve.sh"

package=$APP_DIR/pipelinex-package
unpack "$package/application.tar.gz"
# shellcheck source=deno.sh
APP_DIR=$PWD . "$PIPELINES_DIR/deno.sh"
read -r kind rest <"$package/start"
case $kind in
  command) serve "$rest" ;;
  task) serve "deno task $rest" ;;
  run) serve "deno run --cached-only --allow-all '$rest'" ;;
  serve) serve "deno serve --cached-only --allow-all --host 0.0.0.0 --port $PORT '$rest'" ;;
  *) echo "pipelinex-package/start names no way to start the application: $kind" >&2; exit 1 ;;
esac
