#!/usr/bin/env bash
# Starts the packaged application for SMOKE-TEST and DAST. It runs in a container of its own that has the artifacts of
# PACKAGE at $APP_DIR; what it prints is kept as app.log.
set -euo pipefail

shopt -s nullglob globstar
archives=("$APP_DIR"/**/*.tar.gz)
if [ ${#archives[@]} = 0 ]; then
  echo "there is no archive among the artifacts of PACKAGE" >&2
  exit 1
fi
mkdir /tmp/application
cd /tmp/application
tar -xzf "${archives[0]}"

# The port and the address are those that the test asks, as far as the application goes by them.
export NODE_ENV=production HOST=0.0.0.0 npm_config_cache=/tmp/npm npm_config_update_notifier=false
script=$(node -p '(require("./package.json").scripts || {}).start || ""')
if [ -n "$script" ]; then
  echo "starting: $script"
  exec npm start
fi
main=$(node -p 'require("./package.json").main || "index.js"')
if [ ! -e "$main" ]; then
  echo "package.json has no script \`start\`, and its \`main\` ($main) is not there" >&2
  exit 1
fi
echo "starting node $main"
exec node "$main"
