#!/usr/bin/env bash
# PACKAGE: makes one archive of what runs in production, without the dependencies of tests, and a file that says what starts it; a
# library becomes the archive that Composer makes of it. Offline.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=php.sh
. "$PIPELINES_DIR/php.sh"
begin_stage

cd "$APP_DIR"
offline
out=pipelinex-package
rm -rf "$out"
mkdir "$out"
start=$(project start)
if [ -z "$start" ]; then
  COMPOSER_ROOT_VERSION=${COMPOSER_ROOT_VERSION:-1.0.0} composer archive --format=tar --dir="$out" --file="$(project name)" || finish $? "composer archive failed"
  finish 0 "$(ls "$out"); nothing starts it: there is no artisan, and no index.php at the top or in a usual folder"
fi
note=""
if [ -e composer.json ]; then
  production
  composer install --no-dev --optimize-autoloader --no-progress || note="; the dependencies of development could not be left out"
fi
tar --sort=name --owner=0 --group=0 --numeric-owner --exclude="./$out" --exclude=./.pipelinex-junit --exclude=./.git \
  --exclude=./.cache --exclude=./node_modules -czf "$out/application.tar.gz" . || finish 2 "the archive could not be made"
echo "$start" >"$out/start"
finish 0 "application.tar.gz; started as: $start$note"
