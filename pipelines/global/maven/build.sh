#!/usr/bin/env bash
# BUILD: compiles, and fetches whatever TEST and PACKAGE will need, because only BUILD has a network.
#
# Maven resolves a plugin when its phase comes, and surefire its JUnit provider when tests start. So this goes
# through to the package once, with a test filter that matches no test: all is fetched, nothing is tested.
# With a warm repository no request goes out at all.
set -euo pipefail
# shellcheck source=../lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=maven.sh
. "$PIPELINES_DIR/global/maven/maven.sh"
begin_stage

cd "$APP_DIR"
use_caches
code=0 warnings=""
maven package -Dtest='*#pipelinexRunsNoTestYet' -DfailIfNoTests=false -Dsurefire.failIfNoSpecifiedTests=false \
  -Dmaven.test.failure.ignore=true 2>&1 | tee "$CACHE_DIR/build.log" || code=$?
# Some forks do not come up with a filter, such as those of modules (JPMS). What they need is fetched by then.
if [ "$code" != 0 ] && grep -q 'Failed to execute goal org.apache.maven.plugins:maven-surefire-plugin:' "$CACHE_DIR/build.log"; then
  warnings="; WARNING: a fork of surefire did not start without tests, so that something that TEST needs may not be fetched"
  code=0
  maven package -DskipTests || code=$?
fi
rm -f "$CACHE_DIR/build.log"
[ "$code" = 0 ] || finish "$code" "the build failed"
# TEST writes these; an empty set of BUILD's must not be taken for its results.
find . -type d -path '*/target/surefire-reports' -prune -exec rm -rf {} +
finish 0 "compiled$warnings"
