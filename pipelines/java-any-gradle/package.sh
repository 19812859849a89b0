#!/usr/bin/env bash
# PACKAGE: makes jars and wars, offline, from what BUILD compiled. Where one of them is a program that serves, it is written down as
# the application; a library, and a program that ends by itself, have none, and nothing is started then.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
begin_stage
# shellcheck source=gradle.sh
. "$PIPELINES_DIR/gradle.sh"
# shellcheck source=../global/java/application.sh
. "$PIPELINES_DIR/global/java/application.sh"

# What Java and Kotlin programs that answer requests are written with, as build scripts and version catalogues name it.
servers='quarkus|micronaut|spring-boot|springframework\.boot|javalin|dropwizard|helidon|vertx|jetty-server|undertow|spark-core|jooby|ktor|http4k|netty|grizzly|tomcat-embed'
serves() {
  find . \( -name '*.gradle' -o -name '*.gradle.kts' -o -name '*.versions.toml' \) -not -path '*/build/*' -exec grep -lE "$servers" {} + | grep -q . ||
    find . -path '*/src/main/*' \( -name '*.java' -o -name '*.kt' \) -exec grep -lE 'com\.sun\.net\.httpserver|ServerSocket' {} + | grep -q .
}
# Programs with all that they need beside them: the script that starts each.
installed() { find . -path '*/build/install/*/bin/*' -type f ! -name '*.bat' -print | sed 's|^\./||' | LC_ALL=C sort; }

packaged | while read -r file; do rm -f "$file"; done
rm -rf .pipelinex
find . -type d -path '*/build/install' -prune -exec rm -rf {} +
gradle --offline --build-cache pipelinexPackage || finish $? "packaging failed"
made=$( { packaged; installed; find . -path '*/build/quarkus-app/quarkus-run.jar' -print | sed 's|^\./||'; } | LC_ALL=C sort -u)
[ -n "$made" ] || not_applicable "nothing to package: the build makes no jar or war"
quarkus=$(grep -E '(^|/)build/quarkus-app/quarkus-run\.jar$' <<<"$made" || true)
starts=$quarkus
[ -n "$starts" ] || starts=$(applications)
[ -n "$starts" ] || starts=$(installed)
if [ -z "$starts" ]; then finish 0 "packaged $(listed <<<"$made"): no manifest names a main class, so nothing is started"; fi
if ! serves; then finish 0 "packaged $(listed <<<"$made"): nothing in it serves requests, so nothing is started"; fi
write_down "$starts"
finish 0 "packaged $(listed <<<"$starts")"
