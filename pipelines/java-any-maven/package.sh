#!/usr/bin/env bash
# PACKAGE: makes jars and wars, offline, from what BUILD compiled. Where one of them is a program that serves, it is written down as
# the application; a library, and a program that ends by itself, have none, and nothing is started then.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=../global/maven/maven.sh
. "$PIPELINES_DIR/global/maven/maven.sh"
# shellcheck source=../global/java/application.sh
. "$PIPELINES_DIR/global/java/application.sh"
begin_stage

# What Java programs that answer requests are written with.
servers='quarkus|micronaut|spring-boot|javalin|dropwizard|helidon|vertx|jetty-server|undertow|sparkjava|spark-core|jooby|ktor|http4k|netty|grizzly|tomcat-embed'
serves() {
  find . -name pom.xml -not -path '*/target/*' -exec grep -lE "<artifactId>[^<]*($servers)" {} + | grep -q . ||
    find . -path '*/src/main/*' \( -name '*.java' -o -name '*.kt' \) -exec grep -lE 'com\.sun\.net\.httpserver|ServerSocket' {} + | grep -q .
}

cd "$APP_DIR"
# BUILD came as far as this. Where a name has a time in it, its jar would stand beside ours.
packaged | while read -r file; do rm -f "$file" "$file.original"; done
rm -rf .pipelinex
maven -o -DskipTests package || finish $? "packaging failed"
made=$( { packaged; find . -path '*/target/quarkus-app/quarkus-run.jar' -print | sed 's|^\./||'; } | LC_ALL=C sort -u)
[ -n "$made" ] || not_applicable "nothing to package: the build makes no jar or war"
starts=$(applications)
# The jar beside it only has the classes: this one is what starts, with the folders around it.
quarkus=$(grep -E '(^|/)target/quarkus-app/quarkus-run\.jar$' <<<"$made" || true)
[ -z "$quarkus" ] || starts=$quarkus
if [ -z "$starts" ]; then finish 0 "packaged $(listed <<<"$made"): no manifest names a main class, so nothing is started"; fi
if ! serves; then finish 0 "packaged $(listed <<<"$made"): nothing in it serves requests, so nothing is started"; fi
write_down "$starts"
finish 0 "packaged $(listed <<<"$starts")"
