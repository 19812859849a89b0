#!/usr/bin/env bash
# BUILD: installs all dependencies, those of the tests as well, because only BUILD has a network; then runs the script
# `build`, if there is one.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=npm.sh
. "$PIPELINES_DIR/npm.sh"
begin_stage

cd "$APP_DIR"
manifest 'p.name' >/dev/null || finish 1 "package.json is not JSON"
warning=""
if [ -e package-lock.json ] || [ -e npm-shrinkwrap.json ]; then
  # Whatever the project sets in NODE_ENV, the tests need their own dependencies.
  npm ci --include=dev || finish $? "npm ci failed; where it says that the lock file does not fit, run \`npm install\` and hand in both files"
else
  warning="; WARNING: there is no package-lock.json, so the next job may get other versions"
  npm install --include=dev --no-package-lock || finish $? "npm install failed"
fi
if [ -n "$(manifest 'p.scripts && p.scripts.build')" ]; then
  npm run build || finish $? "npm run build failed"
  finish 0 "installed and built$warning"
fi
finish 0 "installed$warning"
