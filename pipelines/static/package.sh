#!/usr/bin/env bash
# PACKAGE: packs what is handed out: the folder of index.html, the top before the folders below it, without what is no part of a site.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
begin_stage

cd "$APP_DIR"
out=$PWD/pipelinex-package
rm -rf "$out"
for folder in . public site docs www htdocs dist; do [ ! -f "$folder/index.html" ] || break; done
[ -f "$folder/index.html" ] || finish 1 "there is no index.html at the top or in public/, site/, docs/, www/, htdocs/ or dist/"
mkdir "$out"
tar --sort=name --owner=0 --group=0 --numeric-owner --exclude=./pipelinex-package --exclude=./.git --exclude=./.cache \
  -C "$folder" -czf "$out/site.tar.gz" . || finish 2 "the archive could not be made"
finish 0 "$(tar -tzf "$out/site.tar.gz" | grep -vc '/$') files of ${folder/#./the top}"
