#!/usr/bin/env bash
# BUILD: fetches Gradle, compiles, and fetches whatever TEST and PACKAGE will need, because only BUILD has a network.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
begin_stage
use_caches
# shellcheck source=gradle.sh
. "$PIPELINES_DIR/gradle.sh"

install_gradle
gradle --build-cache pipelinexBuild || finish $? "the build failed"
warning=""
[ -e "$wrapper" ] || warning="; WARNING: there is no $wrapper, so Gradle is the one of ${url##*/}: \`gradle wrapper\` makes it"
finish 0 "compiled by ${url##*/}$warning"
