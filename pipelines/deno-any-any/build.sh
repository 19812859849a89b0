#!/usr/bin/env bash
# BUILD: installs Deno and all that the project and its tests import, because only BUILD has a network, and checks the types; then runs
# the task `build`, if there is one.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=deno.sh
. "$PIPELINES_DIR/deno.sh"
begin_stage

warning=""
cd "$APP_DIR"
project read >/dev/null || finish 1 "deno.json is not JSON"
rm -rf "$deno_home"
npm install --prefix "$deno_home" --no-save --no-package-lock --ignore-scripts "deno@$DENO_VERSION" ||
  finish $? "Deno $DENO_VERSION could not be installed from npm's registry"
how=()
if [ -e deno.lock ]; then how=(--frozen)
else warning="; WARNING: there is no deno.lock, so the next job may get other versions: \`deno install\` makes it"; fi
mapfile -t sources < <(project sources)
deno install "${how[@]}" || finish $? "deno install failed; where it says that deno.lock does not fit, run \`deno install\` and hand in both files"
[ ${#sources[@]} -eq 0 ] || deno check "${how[@]}" "${sources[@]}" || finish $? "deno check failed"
if [ -n "$(project build)" ]; then deno task build || finish $? "the task \`build\` failed"; fi
finish 0 "installed by Deno $DENO_VERSION$warning"
