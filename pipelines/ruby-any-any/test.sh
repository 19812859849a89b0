#!/usr/bin/env bash
# TEST: runs the tests without a network: RSpec's, those of Rails, those of `rake test`, or else the files of test/ as they are; and
# leaves JUnit XML in .pipelinex-junit.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=ruby.sh
. "$PIPELINES_DIR/ruby.sh"
begin_stage

cd "$APP_DIR"
any_ruby
reports=$PWD/.pipelinex-junit
rm -rf "$reports"
mkdir "$reports"
specs=$(project specs) tests=$(project tests)
[ -n "$specs$tests" ] || not_applicable "there are no tests: no file of spec/ is called *_spec.rb, and none of test/ test_*.rb or *_test.rb"
[ -z "$(project lock)" ] || export BUNDLE_FROZEN=true
export RAILS_ENV=test RACK_ENV=test PIPELINEX_JUNIT=$reports
rails=$(project rails)
[ -z "$rails" ] || bundle exec rails db:prepare || echo "rails db:prepare failed; the tests are run all the same" >&2
code=0
if [ -n "$specs" ]; then
  call rspec-core rspec --require "$PIPELINES_DIR/junit.rb" --format progress --format PipelinexJunit::Formatter --out "$CACHE_DIR/rspec.txt" || code=$?
fi
export RUBYOPT="${RUBYOPT:+$RUBYOPT }-r$PIPELINES_DIR/junit.rb"
if [ -z "$tests" ]; then :
elif [ -n "$rails" ]; then bundle exec rails test || code=$?
elif [ -n "$(project rake_test)" ]; then call rake rake test || code=$?
else
  mapfile -t files <<<"$tests"
  run=(ruby -Ilib -Itest -Itests -e 'ARGV.map { |file| File.expand_path(file) }.tap { ARGV.clear }.each { |file| require file }' "${files[@]}")
  # In the bundle as far as that has what runs tests.
  if has_gem minitest || has_gem test-unit; then bundle exec "${run[@]}" || code=$?; else "${run[@]}" || code=$?; fi
fi
# Only detail for people: the worker counts the tests itself, from the same files.
finish "$code" "exit code $code"
