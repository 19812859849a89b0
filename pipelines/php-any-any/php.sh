# How this stack calls PHP and Composer; the stage scripts source it.
# shellcheck shell=bash disable=SC2034 # the scripts read what is set here

# What Composer keeps goes into the cache of the job's tree.
: "${CACHE_DIR:?the worker sets it}"
export COMPOSER_HOME="$CACHE_DIR/composer-home" COMPOSER_CACHE_DIR="$CACHE_DIR/composer" COMPOSER_NO_INTERACTION=1
export COMPOSER_NO_AUDIT=1 COMPOSER_MEMORY_LIMIT=-1 COMPOSER_PROCESS_TIMEOUT=0 COMPOSER_FUND=0
# PHPUnit as Symfony's bridge fetches it.
export SYMFONY_PHPUNIT_DIR="$CACHE_DIR/symfony-phpunit"
if [ -n "${PIPELINEX_COMPOSER_CONFIG:-}" ]; then mkdir -p "$COMPOSER_HOME"; cp -f "$PIPELINEX_COMPOSER_CONFIG" "$COMPOSER_HOME/config.json"; fi

# project QUESTION: what stands in the files of the project; see project.php.
project() { php -d memory_limit=-1 "$PIPELINES_DIR/project.php" "$@"; }

# offline: Composer asks nobody any more.
offline() { export COMPOSER_DISABLE_NETWORK=1; }

# What runs in production is asked of Symfony by a variable, and its tools of development are gone by then.
production() { [ ! -e bin/console ] || export APP_ENV=prod APP_DEBUG=0; }
