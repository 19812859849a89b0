#!/usr/bin/env bash
# Starts the packaged application for SMOKE-TEST and DAST. It runs in a container of its own that has the artifacts of
# PACKAGE at $APP_DIR; what it prints is kept as app.log.
set -euo pipefail
# shellcheck source=../global/serve.sh
. "$PIPELINES_DIR/global/serve.sh"

package=$APP_DIR/pipelinex-package
unpack "$package/application.tar.gz"
# The scripts of the environment name the Python of the folder that they were made in.
find .venv/bin -type f -exec sed -i "1s|^#!.*/\.venv/bin/python[0-9.]*|#!$PWD/.venv/bin/python|" {} +
# What was installed for development names the folder of the sources, which is another one now.
export PYTHONPATH="$PWD:$PWD/src"
export PATH="$PWD/.venv/bin:$PATH" VIRTUAL_ENV="$PWD/.venv" PYTHONUNBUFFERED=1
has() { command -v "$1" >/dev/null; }

read -r kind rest <"$package/start"
case $kind in
  command) serve "$rest" ;;
  django)
    read -r folder settings module <<<"$rest"
    cd "$folder"
    # By its name on the job's network, which no project has in its list of hosts.
    if [ "$settings" != - ]; then
      printf 'from %s import *\nALLOWED_HOSTS = ["*"]\n' "$settings" >pipelinex_settings.py
      export DJANGO_SETTINGS_MODULE=pipelinex_settings
    fi
    python manage.py migrate --noinput || echo "manage.py migrate failed; starting all the same" >&2
    if [ "$module" != - ] && has gunicorn; then serve "gunicorn --bind 0.0.0.0:$PORT $module"; fi
    serve "python manage.py runserver --noreload 0.0.0.0:$PORT"
    ;;
esac
read -r root module <<<"$rest"
cd "$root"
case $kind in
  asgi)
    if has uvicorn; then serve "uvicorn --host 0.0.0.0 --port $PORT $module"; fi
    serve "hypercorn --bind 0.0.0.0:$PORT $module"
    ;;
  wsgi)
    if has gunicorn; then serve "gunicorn --bind 0.0.0.0:$PORT '$module'"; fi
    if has flask; then serve "flask --app '$module' run --host 0.0.0.0 --port $PORT"; fi
    serve "python -c 'import importlib, os; from wsgiref.simple_server import make_server; m, a = \"$module\".split(\":\"); make_server(\"0.0.0.0\", int(os.environ[\"PORT\"]), getattr(importlib.import_module(m), a)).serve_forever()'"
    ;;
  sanic) serve "sanic --host 0.0.0.0 --port $PORT $module" ;;
  *) echo "pipelinex-package/start names no way to start the application: $kind" >&2; exit 1 ;;
esac
