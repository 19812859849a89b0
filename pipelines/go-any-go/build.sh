#!/usr/bin/env bash
# BUILD: fetches the modules, and compiles the packages and their tests, because only BUILD has a network.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=go.sh
. "$PIPELINES_DIR/go.sh"
begin_stage

use_caches
cd "$APP_DIR"
warnings=""
go version || finish $? "there is no Go that go.mod asks for: this image has $(GOTOOLCHAIN=local go env GOVERSION), and the newer one could not be fetched"
while read -r module; do
  echo "module $module"
  cd "$APP_DIR/$module"
  if [ ! -e go.sum ] && [ ! -e "$APP_DIR/go.work" ] && grep -q '^require' go.mod; then
    warnings+="; WARNING: there is no go.sum, so nothing vouches for what is fetched: \`go mod tidy\` makes it"
    go mod tidy || finish $? "go mod tidy failed"
  fi
  # A vendored module has all of it, and asks for no more.
  [ -d vendor ] || [ -d "$APP_DIR/vendor" ] || go mod download || finish $? "go mod download failed"
  go build ./... || finish $? "go build failed"
  # The tests are compiled and none is run, so that TEST finds all of it.
  go test -run '^$' -vet off ./... >"$CACHE_DIR/tests.log" 2>&1 || { cat "$CACHE_DIR/tests.log"; warnings+="; WARNING: the tests of $module do not compile: TEST says why"; }
done < <(modules)
cd "$APP_DIR"
go env GOROOT >"$CACHE_DIR/goroot"
finish 0 "built by $(go env GOVERSION)$warnings"
