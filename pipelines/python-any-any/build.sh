#!/usr/bin/env bash
# BUILD: makes an environment and installs all that the project and its tests need, because only BUILD has a network. Which
# installer does it the lock file decides. Then every file of the project is parsed, as a compiler would.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=python.sh
. "$PIPELINES_DIR/python.sh"
begin_stage

warnings=""
warn() { echo "WARNING: $1"; warnings+="; WARNING: $1"; }
# words QUESTION OPTION: the answers, each behind the option.
words() { local word; while read -r word; do printf '%s\n%s\n' "$2" "$word"; done < <(project "$1"); }

install_uv() {
  local options=()
  mapfile -t options < <(words groups --group; words extras --extra; [ -z "$(project workspace)" ] || echo --all-packages)
  uv sync --locked "${options[@]}" || finish $? "uv sync failed; where it says that uv.lock does not fit, run \`uv lock\` and hand in both files"
}

install_poetry() {
  [ -e poetry.lock ] || warn "there is no poetry.lock, so the next job may get other versions: \`poetry lock\` makes it"
  local options=()
  mapfile -t options < <(words extras --extras)
  poetry install "${options[@]}" || finish $? "poetry install failed; where it says that poetry.lock does not fit, run \`poetry lock\` and hand in both files"
}

install_pipenv() {
  [ -e Pipfile.lock ] || warn "there is no Pipfile.lock, so the next job may get other versions: \`pipenv lock\` makes it"
  project pipfile >"$CACHE_DIR/pipfile.txt" || finish $? "the Pipfile cannot be read"
  uv pip install -r "$CACHE_DIR/pipfile.txt" || finish $? "what the Pipfile names could not be installed"
}

install_pip() {
  local arguments=() files loose
  mapfile -t files < <(project requirement_files)
  loose=$(project unpinned)
  [ -z "$loose" ] || warn "$loose, so the next job may get other versions: \`uv pip compile --universal ${files[0]} -o requirements.lock\` finds what to pin"
  mapfile -t arguments < <(words requirement_files -r)
  if project installable; then
    [ ${#files[@]} -gt 0 ] || warn "there is no lock file, so the next job may get other versions: \`uv lock\` makes uv.lock"
    local extra; extra=$(project extras | paste -sd,)
    arguments+=(-e ".${extra:+[$extra]}")
  fi
  mapfile -t -O "${#arguments[@]}" arguments < <(words groups --group)
  [ ${#arguments[@]} -eq 0 ] || uv pip install "${arguments[@]}" || finish $? "what the project needs could not be installed"
}

# What tests need besides: lists that only some projects have. One that cannot be installed is no end: TEST says what is missing.
install_for_tests() {
  local file missing=() wanted
  while read -r file; do
    uv pip install -r "$file" || warn "$file could not be installed"
  done < <(project test_requirement_files)
  project has_tests || return 0
  has_module pytest || missing+=("pytest==9.2.0")
  [ ${#missing[@]} -eq 0 ] || while read -r wanted; do missing+=("$wanted"); done < <(project plugins)
  # Django's own tests run by its own command unless the project brings pytest-django.
  if [ -n "$(project manage)" ] && ! has_module pytest_django; then missing=("unittest-xml-reporting==4.0.0"); fi
  [ ${#missing[@]} -eq 0 ] || uv pip install --target "$test_tools" "${missing[@]}" || warn "${missing[*]} could not be installed"
}

# An application whose server is not among its dependencies is given one.
install_server() {
  local kind
  read -r kind _ < <(project start) || true
  case $kind in
    asgi) has_module uvicorn || has_module hypercorn || uv pip install uvicorn==0.54.0 || finish $? "uvicorn could not be installed" ;;
    "") [ -z "$(project buildable)" ] || uv build --wheel --out-dir .pipelinex-wheel || finish $? "the wheel could not be built" ;;
  esac
}

# Where Django keeps a list of the files that its pages name, the list is made here, as a deployment makes it: tests want it as well.
collect_static() {
  local manage
  manage=$(project manage)
  [ -n "$manage" ] && grep -rqs '^STATIC_ROOT' --include='*.py' --exclude-dir=.venv . || return 0
  (python=$PWD/$python; cd "$(dirname "$manage")" && "$python" manage.py collectstatic --noinput) ||
    warn "manage.py collectstatic failed: pages that name files of theirs may not be drawn"
}

use_caches
cd "$APP_DIR"
rm -rf .venv .pipelinex-wheel "$test_tools"
project manager >/dev/null || finish 1 "pyproject.toml cannot be read: the log says where"
wrong=$(project syntax)
[ -z "$wrong" ] || { echo "$wrong"; finish 1 "not Python that $(python3 --version) reads: $(head -n 1 <<<"$wrong")"; }
while read -r variable; do
  export "${variable?}"
  warn "the version of this project is that of a Git tag, and none came with it: it is built as ${variable#*=}"
done < <(project version_instead)
uv venv .venv || finish 2 "no environment could be made"
manager=$(project manager)
"install_$manager"
install_for_tests
install_server
collect_static
finish 0 "installed by $manager$warnings"
