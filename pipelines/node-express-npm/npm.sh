# How this stack calls npm; the stage scripts source it.
# shellcheck shell=bash

# HOME lies on a read-only root: what npm keeps goes into the cache of the job's tree.
export npm_config_cache="${CACHE_DIR:?the worker sets it}/npm"
export npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false npm_config_progress=false
export NO_COLOR=1

# manifest EXPRESSION: prints what a JavaScript expression over package.json (`p`) comes to, or nothing.
manifest() {
  node -e 'const p = JSON.parse(require("fs").readFileSync("package.json", "utf8")); const v = eval(process.argv[1]); if (v !== undefined && v !== null) console.log(String(v))' "$1"
}

# has_tests: whether there is a script `test` that is not the one `npm init` writes.
has_tests() {
  local script
  script=$(manifest 'p.scripts && p.scripts.test')
  [ -n "$script" ] && [[ $script != *"no test specified"* ]]
}
