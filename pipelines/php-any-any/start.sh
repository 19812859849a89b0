#!/usr/bin/env bash
# Starts the packaged application for SMOKE-TEST and DAST, by the server that PHP has for development. It runs in a container of its
# own that has the artifacts of PACKAGE at $APP_DIR; what it prints is kept as app.log.
set -euo pipefail
# shellcheck source=../global/serve.sh
. "$PIPELINES_DIR/global/serve.sh"

package=$APP_DIR/pipelinex-package
unpack "$package/application.tar.gz"
# More than one, so that a page that asks its own server for another gets an answer.
export PHP_CLI_SERVER_WORKERS=4
# Where Symfony keeps its signatures; a clone has none.
export APP_SECRET=${APP_SECRET:-made-for-this-job-alone}
read -r kind rest <"$package/start"
case $kind in
  command) serve "$rest" ;;
  laravel)
    php artisan migrate --force || echo "php artisan migrate failed; starting all the same" >&2
    serve "php artisan serve --host=0.0.0.0 --port=$PORT"
    ;;
  root)
    [ ! -e bin/console ] || export APP_ENV=${APP_ENV:-prod} APP_DEBUG=0
    serve "php -S 0.0.0.0:$PORT -t '$rest'"
    ;;
  *) echo "pipelinex-package/start names no way to start the application: $kind" >&2; exit 1 ;;
esac
