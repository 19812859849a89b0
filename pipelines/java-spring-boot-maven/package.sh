#!/usr/bin/env bash
# PACKAGE: makes the jar, offline, from what BUILD compiled.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=maven.sh
. "$PIPELINES_DIR/maven.sh"
begin_stage

cd "$APP_DIR"
maven -o -DskipTests package || finish $? "packaging failed"
shopt -s nullglob
jars=(target/*.jar)
[ ${#jars[@]} -gt 0 ] || finish 1 "the build made no jar in target/"
finish 0 "${jars[*]}"
