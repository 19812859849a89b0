#!/usr/bin/env bash
# PACKAGE: makes one archive of what runs in production, without the dependencies of tests: the application, the files of a front
# end, or the package of a library. Beside it stands what starts it. Offline.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=node.sh
. "$PIPELINES_DIR/node.sh"
begin_stage

cd "$APP_DIR"
out=pipelinex-package
rm -rf "$out"
mkdir "$out"
start=$(project start)
archive="$out/$(project name)-$(project version).tar.gz"
pack() { tar --sort=name --owner=0 --group=0 --numeric-owner "$@" || finish 2 "the archive could not be made"; }
case $start in
  "")
    npm pack --ignore-scripts --pack-destination "$out" >/dev/null || finish $? "npm pack failed"
    finish 0 "$(ls "$out"); nothing starts it: package.json has no script \`start\`, and no file of a usual name listens"
    ;;
  static\ *) pack -czf "$archive" -C "${start#static }" . ;;
  *)
    note=""
    if [ -z "$(project needs_dev)" ]; then
      case $manager in
        npm) npm prune --omit=dev --offline --ignore-scripts || note="; the dependencies of development could not be left out" ;;
        pnpm) CI=true pnpm prune --prod --ignore-scripts || note="; the dependencies of development could not be left out" ;;
        *) note="; with the dependencies of development" ;;
      esac
    else
      note="; with the dependencies of development, which start it"
    fi
    pack --exclude="./$out" --exclude=./.pipelinex-junit --exclude=./.git --exclude=./.cache -czf "$archive" .
    ;;
esac
echo "$start" >"$out/start"
finish 0 "$archive${note:-}"
