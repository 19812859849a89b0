#!/usr/bin/env bash
# BUILD: installs the gems, those of the tests as well, because only BUILD has a network. Then every file of the project is parsed, as a
# compiler would, and a site of Jekyll is made.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=ruby.sh
. "$PIPELINES_DIR/ruby.sh"
begin_stage
use_caches

warnings=""
warn() { echo "WARNING: $1"; warnings+="; WARNING: $1"; }

install() {
  local code=0 said
  if [ -n "$(project lock)" ]; then export BUNDLE_FROZEN=true
  else warn "there is no Gemfile.lock, so the next job may get other versions: \`bundle lock\` makes it"; fi
  # Where the image has all of it, nobody is asked.
  if said=$(bundle check 2>&1) && ! grep -q 'changed lockfile' <<<"$said"; then echo "$said"; return 0; fi
  bundle install --jobs 4 || code=$?
  [ "$code" != 0 ] || return 0
  # What the image has may do, and asks nobody.
  if bundle install --local; then warn "nothing could be fetched: these are the gems of the image"; return 0; fi
  [ -n "$(project lock)" ] || finish "$code" "bundle install failed"
  finish "$code" "bundle install failed; where it says that Gemfile.lock does not fit, run \`bundle lock\` and hand in both files"
}

cd "$APP_DIR"
any_ruby
wrong=$(project syntax)
[ -z "$wrong" ] || { echo "$wrong"; finish 1 "not Ruby that Ruby $RUBY_VERSION reads: $(head -n 1 <<<"$wrong")"; }
if ! has_bundle; then finish 0 "every file can be read; there is no Gemfile, so nothing is installed"; fi
install
if [ -n "$(project jekyll)" ]; then JEKYLL_ENV=production bundle exec jekyll build --destination _site || finish $? "jekyll build failed"; fi
finish 0 "installed by Bundler$warnings"
