#!/usr/bin/env bash
# PACKAGE: makes one archive of the application with Deno and all that it imports, and a file that says what starts it. Offline.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=deno.sh
. "$PIPELINES_DIR/deno.sh"
begin_stage

cd "$APP_DIR"
out=$PWD/pipelinex-package
rm -rf "$out"
start=$(project start)
[ -n "$start" ] || not_applicable "nothing to package: there is no task \`start\`, and no file of a usual name serves; it is a library"
mkdir "$out"
tar --sort=name --owner=0 --group=0 --numeric-owner --exclude=./pipelinex-package --exclude=./.pipelinex-junit --exclude=./.git \
  --exclude=./.cache -czf "$out/application.tar.gz" . || finish 2 "the archive could not be made"
echo "$start" >"$out/start"
finish 0 "application.tar.gz; started as: $start"
