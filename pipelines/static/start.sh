#!/usr/bin/env bash
# Serves the site for SMOKE-TEST and DAST. It runs in a container of its own that has the artifacts of PACKAGE at $APP_DIR; what it
# prints is kept as app.log.
set -euo pipefail
# shellcheck source=../global/serve.sh
. "$PIPELINES_DIR/global/serve.sh"

unpack "$APP_DIR/pipelinex-package/site.tar.gz"
serve "exec python3 -m http.server $PORT --bind 0.0.0.0"
