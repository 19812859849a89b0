#!/usr/bin/env bash
# Starts the packaged application for SMOKE-TEST and DAST. It runs in a container of its own that has the artifacts of
# PACKAGE at $APP_DIR; what it prints is kept as app.log.
set -euo pipefail
# shellcheck source=../global/serve.sh
. "$PIPELINES_DIR/global/serve.sh"

package=$APP_DIR/pipelinex-package
archives=("$package"/*.tar.gz)
unpack "${archives[0]}"
export NODE_ENV=production npm_config_cache=/tmp/npm npm_config_update_notifier=false PATH="$PWD/node_modules/.bin:$PATH"
export COREPACK_ROOT=/opt COREPACK_ENABLE_STRICT=0 YARN_ENABLE_GLOBAL_CACHE=false YARN_GLOBAL_FOLDER=/tmp/yarn
[ ! -d .pipelinex-bun ] || export PATH="$PWD/.pipelinex-bun/bin:$PATH" BUN_INSTALL_CACHE_DIR=/tmp/bun
read -r kind rest <"$package/start"
case $kind in
  static) serve "python3 -m http.server --bind 0.0.0.0 $PORT" ;;
  command) serve "$rest" ;;
  script)
    if [ -e .pnp.cjs ]; then serve "yarn4 run $rest"; fi
    if [ -d .pipelinex-bun ]; then serve "bun run $rest"; fi
    serve "npm run $rest"
    ;;
esac
