#!/usr/bin/env bash
# Starts the packaged application for SMOKE-TEST and DAST. It runs in a container of its own that has the artifacts of PACKAGE at
# $APP_DIR; what it prints is kept as app.log.
set -euo pipefail
# shellcheck source=../global/serve.sh
. "$PIPELINES_DIR/global/serve.sh"

package=$APP_DIR/pipelinex-package
unpack "$package/application.tar.gz"
export CACHE_DIR=${CACHE_DIR:-/tmp}
# shellcheck source=ruby.sh
APP_DIR=$PWD . "$PIPELINES_DIR/ruby.sh"
any_ruby
# A key of Rails is in no clone, and what comes without TLS is answered here.
export RAILS_ENV=production RACK_ENV=production SECRET_KEY_BASE=${SECRET_KEY_BASE:-made-for-this-job-alone} RAILS_LOG_TO_STDOUT=1
export RAILS_SERVE_STATIC_FILES=1 BUNDLE_WITHOUT=development:test
read -r kind rest <"$package/start"
case $kind in
  command) serve "$rest" ;;
  jekyll) serve "ruby -run -e httpd . --port=$PORT --bind-address=0.0.0.0" ;;
  rails)
    mkdir -p tmp/pids
    bundle exec rails db:prepare || echo "rails db:prepare failed; starting all the same" >&2
    serve "bundle exec rails server --binding 0.0.0.0 --port $PORT"
    ;;
  rack)
    if has_gem puma; then serve "bundle exec puma --bind tcp://0.0.0.0:$PORT config.ru"; fi
    if has_gem rackup || has_gem rack; then serve "bundle exec rackup --host 0.0.0.0 --port $PORT config.ru"; fi
    serve "puma --bind tcp://0.0.0.0:$PORT config.ru"
    ;;
  ruby)
    if has_bundle; then serve "bundle exec ruby '$rest' -o 0.0.0.0 -p $PORT"; fi
    serve "ruby '$rest' -o 0.0.0.0 -p $PORT"
    ;;
  *) echo "pipelinex-package/start names no way to start the application: $kind" >&2; exit 1 ;;
esac
