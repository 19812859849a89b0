# How this stack calls Ruby and Bundler; the stage scripts source it.
# shellcheck shell=bash disable=SC2034 # the scripts read what is set here

# settle FOLDER: gems go into the project's tree, and are looked for there and among those of the image.
settle() {
  export GEM_HOME="$1/vendor/pipelinex-gems" PATH="$1/vendor/pipelinex-gems/bin:$PATH"
  # The lock file may name another Bundler, which would be fetched at each call.
  BUNDLER_VERSION=$(cd / && bundle --version | sed 's/[^0-9]*\([0-9.]*\).*/\1/')
  export BUNDLER_VERSION BUNDLE_VERSION=system
  export BUNDLE_SUPPRESS_INSTALL_USING_MESSAGES=true BUNDLE_IGNORE_MESSAGES=true BUNDLE_RETRY=2 BUNDLE_TIMEOUT=30
}

# What Bundler keeps goes into the cache of the job's tree.
: "${CACHE_DIR:?the worker sets it}"
export BUNDLE_USER_HOME="$CACHE_DIR/bundle" BUNDLE_USER_CACHE="$CACHE_DIR/bundle/cache" GEM_SPEC_CACHE="$CACHE_DIR/gem-specs"
export BUNDLE_GLOBAL_GEM_CACHE=true DISABLE_SPRING=1 BOOTSNAP_CACHE_DIR="$CACHE_DIR/bootsnap"
settle "$APP_DIR"

# A gem may have no Gemfile: what its gemspec names is installed by one of ours.
if [ ! -e "$APP_DIR/Gemfile" ] && [ ! -e "$APP_DIR/gems.rb" ] && compgen -G "$APP_DIR/*.gemspec" >/dev/null; then
  export BUNDLE_GEMFILE="$CACHE_DIR/Gemfile"
  printf 'source "https://rubygems.org"\ngemspec path: "%s"\n' "$APP_DIR" >"$BUNDLE_GEMFILE"
fi

# A Gemfile may name a Ruby that the job does not run with; admission has said so, and Bundler would end at it. It reads one without that line.
any_ruby() {
  [ -e Gemfile ] && grep -qE '^ *ruby[ (]' Gemfile || return 0
  sed -E '/^ *ruby[ (]/d' Gemfile >Gemfile.pipelinex
  [ ! -e Gemfile.lock ] || sed '/^RUBY VERSION$/,/^$/d' Gemfile.lock >Gemfile.pipelinex.lock
  export BUNDLE_GEMFILE="$PWD/Gemfile.pipelinex"
}

# project QUESTION: what stands in the files of the project; see project.rb.
project() { RUBYOPT="" ruby "$PIPELINES_DIR/project.rb" "$@"; }

has_bundle() { [ -e Gemfile ] || [ -e gems.rb ] || [ -n "${BUNDLE_GEMFILE:-}" ]; }

# has_gem NAME: whether it is in the project's bundle.
has_gem() { has_bundle && bundle list --name-only 2>/dev/null | grep -qx "$1"; }

# call GEM COMMAND...: in the project's bundle where that has the gem, else with the image's own.
call() {
  local gem=$1; shift
  if has_gem "$gem"; then bundle exec "$@"; else "$@"; fi
}
