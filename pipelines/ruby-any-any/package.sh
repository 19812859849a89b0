#!/usr/bin/env bash
# PACKAGE: an application becomes one archive with its gems, without those of tests, and a file that says what starts it; a site of
# Jekyll its files; a library the gem that its gemspec makes. Offline.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=ruby.sh
. "$PIPELINES_DIR/ruby.sh"
begin_stage

cd "$APP_DIR"
any_ruby
out=$PWD/pipelinex-package
rm -rf "$out"
mkdir "$out"
pack() { tar --sort=name --owner=0 --group=0 --numeric-owner "$@" || finish 2 "the archive could not be made"; }
start=$(project start)
note=""
case $start in
  "")
    none="nothing starts it: there is no Procfile, no config.ru, no Rails, and no app.rb that requires a server"
    compgen -G "*.gemspec" >/dev/null || not_applicable "nothing to package: there is no gemspec, and $none"
    for spec in *.gemspec; do gem build "$spec" --output "$out/${spec%.gemspec}.gem" || finish $? "gem build $spec failed"; done
    finish 0 "$(ls "$out"); $none"
    ;;
  jekyll) pack -czf "$out/application.tar.gz" -C _site . ;;
  *)
    if [ "$start" = rails ] && [ -d app/assets ]; then
      RAILS_ENV=production SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=made-for-this-job-alone bundle exec rails assets:precompile ||
        note="; assets:precompile failed, so pages may lack style sheets and scripts"
    fi
    # What only tests need stays in the bundle's list and is not asked for: BUNDLE_WITHOUT, as start.sh sets it.
    pack --exclude=./pipelinex-package --exclude=./.pipelinex-junit --exclude=./.git --exclude=./.cache --exclude=./node_modules \
      --exclude='./vendor/pipelinex-gems/cache' -czf "$out/application.tar.gz" .
    ;;
esac
echo "$start" >"$out/start"
finish 0 "application.tar.gz; started as: $start$note"
