#!/usr/bin/env bash
# Starts the program for SMOKE-TEST and DAST, among the files of the project. It runs in a container of its own that has the
# artifacts of PACKAGE at $APP_DIR; what it prints is kept as app.log.
set -euo pipefail
# shellcheck source=../global/serve.sh
. "$PIPELINES_DIR/global/serve.sh"

package=$APP_DIR/pipelinex-package
unpack "$package/files.tar.gz"
export ROCKET_ADDRESS=0.0.0.0 ROCKET_PORT=$PORT
serve "$package/$(cat "$package/start")"
