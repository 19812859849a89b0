#!/usr/bin/env bash
# Starts the packaged application for SMOKE-TEST and DAST. It runs in a container of its own that has the artifacts
# of PACKAGE at $APP_DIR; what it prints is kept as app.log. Only a file that PACKAGE wrote down is started.
set -euo pipefail
# shellcheck source=application.sh
. "$PIPELINES_DIR/application.sh"

cd "$APP_DIR"
die() { echo "$*" >&2; exit 1; }
[ -s "$application_record" ] || die "PACKAGE made nothing that can be started: it wrote no $application_record"
all=$(sed 's/^[0-9a-f]*  //' "$application_record")
mapfile -t chosen < <(named "${APPLICATION:-}" <<<"$all")
case ${#chosen[@]} in
  0) die "\`$APPLICATION\` is no application of this build; there are: $(listed <<<"$all")" ;;
  1) ;;
  *) die "there are several applications: $(printf '%s\n' "${chosen[@]}" | listed); name the module or the file that is to be started \
with --application (\`application\` in a request)" ;;
esac
application=${chosen[0]}
grep -F "  $application" "$application_record" | sha256sum --check --status - \
  || die "$application is not the file that PACKAGE wrote down in $application_record"

# A short life gains nothing from the JVM's second compiler, nor from a collector with threads of its own. The port and
# the address are those that the test asks, whatever the project's own settings say.
echo "starting $application"
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -XX:MaxRAMPercentage=60 -Djava.io.tmpdir=/tmp \
  -jar "$application" --server.port=8080 --server.address=0.0.0.0
