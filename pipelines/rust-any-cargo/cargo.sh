# How this stack calls cargo; the stage scripts source it.
# shellcheck shell=bash disable=SC2034 # the scripts read what is set here

# What cargo fetches goes into the cache of the job's tree, what it makes into the tree. A toolchain that the project names is not
# fetched: the contract has said so.
: "${CACHE_DIR:?the worker sets it}"
export CARGO_HOME="$CACHE_DIR/cargo" CARGO_TARGET_DIR="${APP_DIR:?the worker sets it}/target" CARGO_TERM_COLOR=never
export CARGO_INCREMENTAL=0 CARGO_NET_GIT_FETCH_WITH_CLI=true

# Cargo looks for settings in its home alone; what the project's own say stands above them.
if [ -n "${PIPELINEX_CARGO_CONFIG:-}" ]; then mkdir -p "$CARGO_HOME" && cp "$PIPELINEX_CARGO_CONFIG" "$CARGO_HOME/config.toml"; fi

# Debug symbols are most of what a test build writes, and nobody looks at them here.
export CARGO_PROFILE_DEV_DEBUG=line-tables-only CARGO_PROFILE_TEST_DEBUG=line-tables-only

# metadata: what cargo says of the packages of the project itself.
metadata() { cargo metadata --offline --no-deps --format-version 1; }

# programs: a line `PACKAGE NAME` for each program of the project, examples and tests left out.
programs() { metadata | jq -r '.packages[] | .name as $package | .targets[] | select(.kind | index("bin")) | $package + " " + .name'; }

# program: the one that is started: the only one that could serve, or the one that the project, its folder or a server is called like;
# nothing where none can be told from the others, or none has anything to serve with.
servers='^(axum|actix-web|rocket|warp|hyper|tide|poem|salvo|tiny_http|rouille|gotham|ntex|tonic|iron|thruster|viz|trillium|may_minihttp)$'
program() {
  local serving all name
  serving=$(metadata | jq -r --arg servers "$servers" '.packages[] | select(any(.dependencies[]; .name | test($servers))) | .name')
  # A program may listen with the standard library alone.
  serving+=$'\n'$(metadata | jq -r '.packages[] | .name + " " + (.manifest_path | rtrimstr("/Cargo.toml"))' |
    while read -r name folder; do ! grep -rqs --include='*.rs' 'TcpListener::bind' "$folder/src" || echo "$name"; done)
  all=$(programs | while read -r package name; do ! grep -qxF "$package" <<<"$serving" || echo "$name"; done)
  [ -n "$all" ] || return 0
  if [ "$(wc -l <<<"$all")" = 1 ]; then echo "$all"; return; fi
  for name in "$(metadata | jq -r '[.packages[].default_run // empty][0] // empty')" "$(basename "$(metadata | jq -r .workspace_root)")" server api web app http; do
    if [ -n "$name" ] && grep -xF "$name" <<<"$all"; then return; fi
  done
}
