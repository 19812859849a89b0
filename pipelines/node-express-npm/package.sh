#!/usr/bin/env bash
# PACKAGE: makes one archive of what runs in production: the project without the dependencies of its tests. Offline.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=npm.sh
. "$PIPELINES_DIR/npm.sh"
begin_stage

cd "$APP_DIR"
npm prune --omit=dev --offline || finish $? "npm prune failed"
name=$(manifest 'String(p.name || "application").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^-+/, "")')
version=$(manifest 'p.version')
archive="pipelinex-package/$name-${version:-0.0.0}.tar.gz"
mkdir -p pipelinex-package
tar --sort=name --owner=0 --group=0 --numeric-owner --exclude=./pipelinex-package --exclude=./.pipelinex-junit --exclude=./.git \
  --exclude=./.cache -czf "$archive" . || finish 2 "the archive could not be made"
finish 0 "$archive"
