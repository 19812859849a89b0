# BUILD, TEST, PACKAGE and the start of the application for Python; sourced by dev/test-stages.sh.
# shellcheck shell=bash disable=SC2154,SC2034

python_version=3.13 python_image=$(image python3.13)
stack=python-any-any
python_stage() { step "$1" "$python_image" "${3:-none}" rw "bash \"\$PIPELINES_DIR/$2.sh\"" --env PYTHON_VERSION="$python_version" "${python_ca[@]}"; }
# Where a network signs TLS anew, installers have to trust what this machine trusts, as the worker sees to it.
python_ca=()
[ ! -e /etc/ssl/certs/ca-certificates.crt ] ||
  python_ca=(--volume /etc/ssl/certs/ca-certificates.crt:/ca.pem:ro --env SSL_CERT_FILE=/ca.pem --env REQUESTS_CA_BUNDLE=/ca.pem)
# What the application answers at a path once it is up, by what PACKAGE made of it.
python_answers() { # PATH
  rm -rf "$work/made"; mkdir "$work/made"; cp -r "$job/app/pipelinex-package" "$work/made/"
  rm -rf "$job/app"; cp -r "$work/made" "$job/app"; chmod -R a+rX "$job/app"
  step SMOKE-TEST "$python_image" none ro "timeout 60 bash \"\$PIPELINES_DIR/start.sh\" & app=\$!; for _ in \$(seq 300); do
    curl -fsS http://127.0.0.1:8000$1 && exit 0; kill -0 \$app || exit 3; sleep 0.2; done; exit 1" --env PORT=8000
}

new_job python-fastapi-uv
hard python "$python_image"
python_stage BUILD build bridge
expect "python: BUILD installs from the lock file" [ "$code" = 0 ]
expect "python: BUILD says so" result build '.message == "installed by uv"'
python_stage TEST test
expect "python: TEST passes without a network" [ "$code" = 0 ]
expect "python: TEST leaves JUnit XML" grep -q 'tests="3"' "$job/app/.pipelinex-junit/junit.xml"
python_stage PACKAGE package
expect "python: PACKAGE says how it is started" grep -qx "asgi . greeter.main:app" "$job/app/pipelinex-package/start"
python_answers "/greeting?name=Ada"
expect "python: the archive starts and answers" grep -q "Hello, Ada!" "$work/log"

new_job python-failing-test
python_stage BUILD build bridge
expect "python, failing test: BUILD gives it a pytest" [ -d "$job/cache/test-tools/pytest" ]
python_stage TEST test
expect "python, failing test: TEST exits 1" [ "$code" = 1 ]
expect "python, failing test: one of two" grep -q 'failures="1".* tests="2"' "$job/app/.pipelinex-junit/junit.xml"
python_stage PACKAGE package
python_answers /
expect "python, Flask: answers by its own server" [ "$code" = 0 ]

new_job python-syntax-error
python_stage BUILD build
expect "python, syntax error: BUILD exits 1" [ "$code" = 1 ]
expect "python, syntax error: and says where" message build 'app.py:5: '
expect "python, no tests: TEST is not applicable" eval 'python_stage TEST test; result test ".status == \"SKIPPED\""'

new_job python-library
python_stage BUILD build bridge
expect "python, library: BUILD passes" [ "$code" = 0 ]
expect "python, library: and warns that there is no lock file" message build 'no lock file'
python_stage PACKAGE package
expect "python, library: PACKAGE makes a wheel" [ -s "$job/app/pipelinex-package/wordcount-0.1.0-py3-none-any.whl" ]
expect "python, library: and nothing that starts" [ ! -e "$job/app/pipelinex-package/start" ]

# A version that is a Git tag, as setuptools-scm reads it: none comes with an archive.
new_job python-library
sed -i 's/^version = .*/dynamic = ["version"]/; s/^requires = .*/requires = ["setuptools", "setuptools-scm>=8"]/; s/^build-backend = .*/build-backend = "setuptools.build_meta"/' "$job/app/pyproject.toml"
printf '\n[tool.setuptools_scm]\n' >>"$job/app/pyproject.toml"
printf 'Changelog\n=========\n\nwordcount 2.5.1 (2026-01-01)\n' >"$job/app/CHANGELOG.rst"
python_stage BUILD build bridge
expect "python, version of a tag: BUILD passes without one" [ "$code" = 0 ]
expect "python, version of a tag: and says which it took" message build 'it is built as 2.5.1'

new_job python-crash-at-start
python_stage BUILD build bridge
python_stage PACKAGE package
python_answers /
expect "python, crash: the application ends, and says why" grep -q GREETER_LICENCE "$work/log"

# The same with each other Python that there is an image of.
for python_version in ${python_versions-3.11}; do
  python_image=$(image "python$python_version")
  new_job python-fastapi-uv
  python_stage BUILD build bridge
  expect "python $python_version: BUILD installs from the lock file" result build '.message == "installed by uv"'
  python_stage TEST test
  expect "python $python_version: TEST passes without a network" [ "$code" = 0 ]
  python_stage PACKAGE package
  python_answers "/greeting?name=Ada"
  expect "python $python_version: the archive starts and answers" grep -q "Hello, Ada!" "$work/log"
done
python_version=3.13 python_image=$(image python3.13)
stack=java-spring-boot-maven
