#!/usr/bin/env bash
# PACKAGE: links the programs, by the flags of BUILD, which has compiled them. The one that is started is packed with the files of the project, which it may read. Offline.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=go.sh
. "$PIPELINES_DIR/go.sh"
begin_stage

cd "$APP_DIR"
out=$PWD/pipelinex-package
rm -rf "$out"
offline
all=$(programs)
[ -n "$all" ] || not_applicable "nothing to package: no package is a program, it is a library"
mkdir "$out"
started=$(program)
while read -r folder; do
  name=$(basename "$(cd "$folder" && pwd)")
  [ "$folder" != . ] || name=$(go list -m | head -n 1 | sed 's|/v[0-9]*$||; s|.*/||')
  (cd "$folder" && go build -o "$out/$name" .) || finish $? "$folder could not be built"
  [ "$folder" != "$started" ] || start="$name"
done <<<"$all"
if [ -z "${start:-}" ]; then
  finish 0 "$(wc -l <<<"$all") programs, and none is told from the others by the name of the module or a server: nothing is started"
fi
tar --sort=name --owner=0 --group=0 --numeric-owner --exclude=./pipelinex-package --exclude=./.pipelinex-junit --exclude=./.git \
  --exclude=./.cache --exclude='*_test.go' --exclude=./vendor -czf "$out/files.tar.gz" . || finish 2 "the archive could not be made"
echo "$start" >"$out/start"
finish 0 "$start"
