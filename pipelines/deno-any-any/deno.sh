# How this stack calls Deno; the stage scripts source it.
# shellcheck shell=bash disable=SC2034 # the scripts read what is set here

# BUILD installs Deno into the tree, and all that Deno keeps lies beside it: both go with what is packed.
# settle FOLDER
settle() {
  deno_home="$1/.pipelinex-deno"
  export PATH="$deno_home/node_modules/@deno/linux-x64-glibc:$PATH" DENO_DIR="$deno_home/cache"
}
export DENO_NO_UPDATE_CHECK=1 DENO_NO_PROMPT=1 DENO_TLS_CA_STORE=system NO_COLOR=1
export npm_config_cache="${CACHE_DIR:-/tmp}/npm" npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false
settle "$APP_DIR"

# project QUESTION: what stands in the files of the project; see project.mjs.
project() { node "$PIPELINES_DIR/project.mjs" "$@"; }
