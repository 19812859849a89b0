# How this stack calls Node and its installers; the stage scripts source it.
# shellcheck shell=bash disable=SC2034 # the scripts read what is set here

# What installers keep goes into the cache of the job's tree.
: "${CACHE_DIR:?the worker sets it}"
export npm_config_cache="$CACHE_DIR/npm"
export npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false npm_config_progress=false
# No installer fetches another version of itself: in TEST there is nowhere to fetch it from. pnpm hears this from Corepack's variables
# alone where one of its scripts calls it again, as it takes npm's out of the environment of scripts.
export COREPACK_ROOT=/opt COREPACK_ENABLE_STRICT=0
export YARN_CACHE_FOLDER="$CACHE_DIR/yarn" YARN_GLOBAL_FOLDER="$CACHE_DIR/yarn-global" YARN_ENABLE_GLOBAL_CACHE=false
export YARN_ENABLE_TELEMETRY=0 YARN_ENABLE_PROGRESS_BARS=0
export HUSKY=0 NEXT_TELEMETRY_DISABLED=1 NG_CLI_ANALYTICS=false

# project QUESTION: what stands in the files of the project; see project.mjs.
project() { node "$PIPELINES_DIR/project.mjs" "$@"; }

# installer: npm, pnpm, yarn1, yarn4 or bun; packageManager decides, then the lock file.
manager=$(cd "$APP_DIR" && project manager) || manager=broken

# No image has bun: BUILD installs the one that the project names into its tree, and it goes with what is packed.
bun_home="$APP_DIR/.pipelinex-bun"
[ "$manager" != bun ] || export PATH="$bun_home/bin:$PATH" BUN_INSTALL_CACHE_DIR="$CACHE_DIR/bun" DO_NOT_TRACK=1

# install_bun: of BUILD, with its words for lock files. The program itself, in the build that every processor runs.
install_bun() {
  local version; version=$(project bun)
  npm install --prefix "$bun_home" --no-save --no-package-lock --ignore-scripts "@oven/bun-linux-x64-baseline@$version" ||
    finish $? "bun $version could not be installed from npm's registry"
  mkdir -p "$bun_home/bin"
  ln -sf ../node_modules/@oven/bun-linux-x64-baseline/bin/bun "$bun_home/bin/bun"
  ln -sf bun "$bun_home/bin/bunx"
  [ -n "$lock" ] || unlocked bun.lock "bun install --lockfile-only"
  if [ -n "$lock" ]; then bun install --frozen-lockfile || failed $? "bun install" "bun install"
  else bun install --no-save || finish $? "bun install failed"; fi
}

# npm warns of what only pnpm knows.
[ "$manager" != pnpm ] || export npm_config_store_dir="$CACHE_DIR/pnpm" npm_config_package_manager_strict=false

# yarn_4 ARGUMENT...: the project's own, where it brings one.
yarn_4() {
  local own
  own=$(sed -n "s/^yarnPath: *[\"']\{0,1\}\([^\"']*\).*/\1/p" .yarnrc.yml 2>/dev/null || true)
  # Packages stay where they are fetched to and are read from there, so they lie in the tree, which is packed.
  if [ -n "$own" ] && [ -e "$own" ]; then env -u YARN_CACHE_FOLDER node "$own" "$@"; else env -u YARN_CACHE_FOLDER yarn4 "$@"; fi
}

# run_script NAME ARGUMENT...: a script of package.json, the way its installer runs it.
run_script() {
  local name=$1; shift
  case $manager in
    npm) npm run "$name" ${1:+--} "$@" ;;
    pnpm) pnpm run "$name" "$@" ;;
    yarn1) yarn run "$name" "$@" ;;
    yarn4) yarn_4 run "$name" "$@" ;;
    bun) bun run "$name" "$@" ;;
  esac
}
