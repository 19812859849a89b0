#!/usr/bin/env bash
# BUILD: installs all that the project and its tests need, because only BUILD has a network. Then every file of the project is parsed,
# as a compiler would.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=php.sh
. "$PIPELINES_DIR/php.sh"
begin_stage
use_caches

warnings=""
warn() { echo "WARNING: $1"; warnings+="; WARNING: $1"; }

install() {
  local log=$CACHE_DIR/composer.log code=0 locked=yes
  [ -e composer.lock ] || locked=""
  [ "$locked" ] || warn "there is no composer.lock, so the next job may get other versions: \`composer update\` makes it"
  composer install --no-progress --prefer-dist 2>&1 | tee "$log" || code=$?
  [ "$code" = 0 ] || [ "$locked" ] || finish "$code" "composer install failed"
  [ "$code" = 0 ] || finish "$code" "composer install failed; where it says that composer.lock does not fit, run \`composer update --lock\` and hand in both files"
  ! grep -q 'lock file is not up to date' "$log" ||
    warn "composer.lock does not fit to composer.json: \`composer update --lock\` mends it"
  # Symfony's bridge fetches PHPUnit when it is first run.
  if [ -e vendor/bin/simple-phpunit ] && [ ! -e vendor/bin/phpunit ]; then
    vendor/bin/simple-phpunit install || warn "simple-phpunit could not fetch PHPUnit, so TEST will not find it"
  fi
}

# A copy of Laravel has no settings and no key; whoever has cloned it makes both first.
settle_laravel() {
  [ -n "$(project laravel)" ] || return 0
  [ -e .env ] || [ ! -e .env.example ] || { cp .env.example .env; echo "made .env of .env.example"; }
  if [ -e .env ] && grep -q '^APP_KEY= *$' .env; then php artisan key:generate --force || warn "php artisan key:generate failed"; fi
  if [ -e .env ] && grep -qE '^DB_CONNECTION=sqlite' .env && [ -d database ]; then touch database/database.sqlite; fi
}

cd "$APP_DIR"
[ -z "$(project installs)" ] || project name >/dev/null || finish 1 "composer.json is not JSON"
wrong=$(project syntax)
[ -z "$wrong" ] || { echo "$wrong"; finish 1 "not PHP that PHP $PHP_VERSION reads: $(head -n 1 <<<"$wrong")"; }
if [ -z "$(project installs)" ]; then finish 0 "every file can be read; there is no composer.json, so nothing is installed"; fi
install
settle_laravel
finish 0 "installed by Composer$warnings"
