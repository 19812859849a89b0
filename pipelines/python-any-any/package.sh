#!/usr/bin/env bash
# PACKAGE: an application becomes one archive with its environment, and a file that says what starts it; a library becomes the
# wheel that BUILD made. Offline.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=python.sh
. "$PIPELINES_DIR/python.sh"
begin_stage

cd "$APP_DIR"
out=pipelinex-package
rm -rf "$out"
mkdir "$out"
start=$(project start)
if [ -z "$start" ]; then
  none="nothing starts it: there is no Procfile, no manage.py, and no FastAPI, Flask or the like in a usual place"
  compgen -G ".pipelinex-wheel/*.whl" >/dev/null || not_applicable "nothing to package: it is built as no package, and $none"
  cp .pipelinex-wheel/*.whl "$out/"
  finish 0 "$(ls "$out"); $none"
fi
tar --sort=name --owner=0 --group=0 --numeric-owner --exclude="./$out" --exclude=./.pipelinex-junit --exclude=./.git \
  --exclude=./.cache -czf "$out/application.tar.gz" . || finish 2 "the archive could not be made"
echo "$start" >"$out/start"
finish 0 "application.tar.gz; started as: $start"
