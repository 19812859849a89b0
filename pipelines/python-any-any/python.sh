# How this stack calls Python and its installers; the stage scripts source it.
# shellcheck shell=bash disable=SC2034 # the scripts read what is set here

# What the tools keep goes into the cache of the job's tree; the environment itself lies in the tree.
: "${CACHE_DIR:?the worker sets it}"
export UV_CACHE_DIR="$CACHE_DIR/uv" PIP_CACHE_DIR="$CACHE_DIR/pip" POETRY_CACHE_DIR="$CACHE_DIR/poetry"
export UV_LINK_MODE=copy UV_PYTHON=python3 UV_NO_PROGRESS=1 UV_PROJECT_ENVIRONMENT=.venv PIP_DISABLE_PIP_VERSION_CHECK=1
export POETRY_VIRTUALENVS_CREATE=true POETRY_VIRTUALENVS_IN_PROJECT=true POETRY_NO_INTERACTION=1 POETRY_NO_ANSI=1
export NO_COLOR=1 VIRTUAL_ENV="$APP_DIR/.venv"

python=.venv/bin/python
# A runner of tests that the project does not bring: beside its environment, so that PACKAGE does not find it.
test_tools="$CACHE_DIR/test-tools"

has_module() { "$python" -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)' "$1" 2>/dev/null; }

# project QUESTION: what stands in the files of the project; see project.py.
project() { python3 "$PIPELINES_DIR/project.py" "$@"; }
