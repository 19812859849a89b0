#!/usr/bin/env bash
# Starts the published program for SMOKE-TEST and DAST. It runs in a container of its own that has the artifacts of PACKAGE at
# $APP_DIR; what it prints is kept as app.log.
set -euo pipefail
# shellcheck source=../global/serve.sh
. "$PIPELINES_DIR/global/serve.sh"

package=$APP_DIR/pipelinex-package
unpack "$package/application.tar.gz"
export ASPNETCORE_URLS="http://0.0.0.0:$PORT" DOTNET_ROLL_FORWARD=Major DOTNET_CLI_TELEMETRY_OPTOUT=1
serve "dotnet '$(cat "$package/start")'"
