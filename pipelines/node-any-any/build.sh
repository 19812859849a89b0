#!/usr/bin/env bash
# BUILD: installs all dependencies, those of the tests as well, because only BUILD has a network; then runs the script
# `build`, if there is one.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=node.sh
. "$PIPELINES_DIR/node.sh"
begin_stage
use_caches

warning=""
unlocked() { warning="; WARNING: there is no $1, so the next job may get other versions: \`$2\` makes it"; }
failed() { finish "$1" "$2 failed; where it says that the lock file does not fit, run \`$3\` and hand in both files"; }

# Whatever the project sets in NODE_ENV, the tests need their own dependencies.
install_npm() {
  if [ -n "$lock" ]; then
    npm ci --include=dev || failed $? "npm ci" "npm install"
  else
    unlocked package-lock.json "npm install --package-lock-only"
    npm install --include=dev --no-package-lock || finish $? "npm install failed"
  fi
}

install_pnpm() {
  [ -n "$lock" ] || unlocked pnpm-lock.yaml "pnpm install --lockfile-only"
  local how=--no-frozen-lockfile
  [ -z "$lock" ] || how=--frozen-lockfile
  pnpm install --prod=false "$how" || failed $? "pnpm install" "pnpm install"
}

install_yarn1() {
  [ -n "$lock" ] || unlocked yarn.lock "yarn install"
  yarn install --production=false --non-interactive ${lock:+--frozen-lockfile} || failed $? "yarn install" "yarn install"
}

install_yarn4() {
  [ -n "$lock" ] || unlocked yarn.lock "yarn install"
  if [ -n "$lock" ]; then yarn_4 install --immutable || failed $? "yarn install" "yarn install"
  else YARN_ENABLE_IMMUTABLE_INSTALLS=false yarn_4 install || finish $? "yarn install failed"; fi
}

cd "$APP_DIR"
[ "$manager" != broken ] || finish 1 "package.json is not JSON"
lock=$(project lock)
# Scripts that install Git's hooks (lefthook, husky, simple-git-hooks) fail where there is no repository, also when the project is packed
# later on: the tree gets an empty one.
hooks='"(prepare|postinstall|install)": *"[^"]*(lefthook|husky|simple-git-hooks|git config)'
if [ ! -e .git ] && grep -qE "$hooks" package.json; then git init --quiet . || true; fi
"install_$manager"
# Jest writes JUnit by a reporter that most projects do not bring. It lies beside the project's own dependencies.
if [ "$(project runner)" = jest ] && [ ! -d node_modules/jest-junit ]; then
  npm install --prefix "$CACHE_DIR/test-tools" --no-save jest-junit@17.0.0 ||
    warning+="; WARNING: jest-junit could not be installed, so tests are not counted"
fi
if [ -n "$(project build)" ]; then
  run_script build || finish $? "the script \`build\` failed"
  finish 0 "installed by $manager and built$warning"
fi
finish 0 "installed by $manager$warning"
