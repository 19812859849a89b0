# BUILD, TEST, PACKAGE and the start of the application for Ruby; sourced by dev/test-stages.sh. Nothing here has a network: the examples
# need no more gems than the image has.
# shellcheck shell=bash disable=SC2154,SC2034

ruby_version=3.3 ruby_image=$(image ruby3.3)
stack=ruby-any-any
ruby_stage() { step "$1" "$ruby_image" none rw "bash \"\$PIPELINES_DIR/$2.sh\"" --env RUBY_VERSION="$ruby_version"; }
# What the application answers at a path once it is up, by what PACKAGE made of it.
ruby_answers() { # PATH
  rm -rf "$work/made"; mkdir "$work/made"; cp -r "$job/app/pipelinex-package" "$work/made/"
  rm -rf "$job/app"; cp -r "$work/made" "$job/app"; chmod -R a+rX "$job/app"
  step SMOKE-TEST "$ruby_image" none ro "timeout 60 bash \"\$PIPELINES_DIR/start.sh\" & app=\$!; for _ in \$(seq 100); do
    curl -fsS 'http://127.0.0.1:8000$1' && exit 0; kill -0 \$app || exit 3; sleep 0.2; done; exit 1" --env PORT=8000
}
# tests COUNT FAILURES: of all that the runners wrote down.
tests() { # what Ruby wrote has a line for each
  [ "$(cat "$job"/app/.pipelinex-junit/*.xml | grep -c '<testcase')" = "$1" ] && [ "$(cat "$job"/app/.pipelinex-junit/*.xml | grep -c '<failure' || true)" = "$2" ]
}

new_job ruby-sinatra
hard ruby "$ruby_image"
ruby_stage BUILD build
expect "ruby: BUILD installs by the lock file" result build '.message == "installed by Bundler"'
ruby_stage TEST test
expect "ruby: TEST passes by RSpec" [ "$code" = 0 ]
expect "ruby: TEST leaves JUnit XML with each example" tests 3 0
ruby_stage PACKAGE package
expect "ruby: PACKAGE says how it is started" grep -qx rack "$job/app/pipelinex-package/start"
ruby_answers "/greeting?name=Ada"
expect "ruby: the archive starts and answers" grep -q "Hello, Ada!" "$work/log"

for ruby_version in ${ruby_versions:-3.3}; do
ruby_image=$(image "ruby$ruby_version")
new_job ruby-gem
ruby_stage BUILD build
expect "ruby $ruby_version, gem: BUILD takes the gems of the image" [ "$code" = 0 ]
expect "ruby $ruby_version, gem: BUILD warns of the lock file that is not there" message build "bundle lock"
ruby_stage TEST test
expect "ruby $ruby_version, gem: TEST passes by rake" [ "$code" = 0 ]
expect "ruby $ruby_version, gem: each test of Minitest is counted" tests 2 0
ruby_stage PACKAGE package
expect "ruby $ruby_version, gem: PACKAGE makes it" [ -e "$job/app/pipelinex-package/counting.gem" ]
expect "ruby $ruby_version, gem: nothing starts it" [ ! -e "$job/app/pipelinex-package/start" ]
done
ruby_version=3.3 ruby_image=$(image ruby3.3)

new_job ruby-failing-test
ruby_stage BUILD build
ruby_stage TEST test
expect "ruby, failing test: TEST exits 1 by the image's RSpec" [ "$code" = 1 ]
expect "ruby, failing test: one of two" tests 2 1

# Test::Unit, without a Gemfile's word on it; a Ruby that no image has; a lock file of another Bundler.
new_job ruby-gem
printf 'require "test/unit"\nrequire "counting"\nclass UnitTest < Test::Unit::TestCase\n  def test_words = assert_equal(2, Counting.words("a b"))\n  def test_fails = assert_equal(3, Counting.words("a b"))\n  def test_later = omit("later")\nend\n' >"$job/app/test/counting_test.rb"
rm "$job/app/Rakefile"
printf 'source "https://rubygems.org"\nruby "3.2.2"\ngemspec\ngem "test-unit"\n' >"$job/app/Gemfile"
hand_over
ruby_stage BUILD build
expect "ruby, another Ruby: BUILD goes on" [ "$code" = 0 ]
ruby_stage TEST test
expect "ruby, Test::Unit: TEST exits 1" [ "$code" = 1 ]
expect "ruby, Test::Unit: all three are counted" tests 3 1
expect "ruby, Test::Unit: one was left out" grep -q '<skipped message="later"' "$job"/app/.pipelinex-junit/*.xml

new_job ruby-sinatra
sed -i 's/^   2.6.7$/   2.4.1/' "$job/app/Gemfile.lock"; printf 'gem "rake"\n' >>"$job/app/Gemfile"
hand_over
ruby_stage BUILD build
expect "ruby, lock file that does not fit: BUILD fails and says what mends it" message build 'run `bundle lock`'

new_job ruby-syntax-error
ruby_stage BUILD build
expect "ruby, syntax error: BUILD fails and names the file" message build "count.rb"

new_job ruby-crash-at-start
ruby_stage BUILD build
expect "ruby, no Gemfile: nothing is installed" [ "$code" = 0 ]
ruby_stage TEST test
expect "ruby, no tests: TEST is not applicable" result test '.status == "SKIPPED"'
ruby_stage PACKAGE package
ruby_answers /
expect "ruby, crash at start: its last words are in the log" grep -q "no licence: set LICENCE_KEY" "$work/log"
stack=java-spring-boot-maven
