#!/usr/bin/env bash
# PACKAGE: makes the application, offline, from what BUILD compiled, and writes down which file that is.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=../global/maven/maven.sh
. "$PIPELINES_DIR/global/maven/maven.sh"
# shellcheck source=../global/java/application.sh
. "$PIPELINES_DIR/global/java/application.sh"
begin_stage

cd "$APP_DIR"
# BUILD came as far as this. Where a name has a time in it, its jar would stand beside ours.
packaged | while read -r file; do rm -f "$file" "$file.original"; done
maven -o -DskipTests package || finish $? "packaging failed"
made=$(packaged)
[ -n "$made" ] || finish 1 "the build made no jar or war in target/"
starts=$(applications)
[ -n "$starts" ] || finish 1 "nothing that was packaged can be started ($(listed <<<"$made")): no manifest names a main class; \
add the spring-boot-maven-plugin with its goal repackage to the pom.xml of the application (spring-boot-starter-parent binds the goal)"
write_down "$starts"
finish 0 "packaged $(listed <<<"$starts")"
