# BUILD, TEST, PACKAGE and the start of the application for Node with npm; sourced by dev/test-stages.sh.
# shellcheck shell=bash disable=SC2154,SC2034

node_image=$(image node24-npm)
stack=node-express-npm
archive_has() { local name; for name in "$@"; do tar -tzf "$job/app/pipelinex-package/greeter-1.0.0.tar.gz" | grep -xF "$name" >/dev/null || return 1; done; }
node_stage() { step "$1" "$node_image" "${3:-none}" rw "bash \"\$PIPELINES_DIR/$2.sh\"" --env NODE_VERSION=24 "${node_ca[@]}"; }
# Where a network signs TLS anew, npm has to trust what this machine trusts, as the worker sees to it.
node_ca=()
[ ! -e /etc/ssl/certs/ca-certificates.crt ] ||
  node_ca=(--volume /etc/ssl/certs/ca-certificates.crt:/ca.pem:ro --env NODE_EXTRA_CA_CERTS=/ca.pem)

new_job node-express-npm
node_stage BUILD build bridge
expect "node: BUILD installs from the lock file" [ "$code" = 0 ]
expect "node: BUILD says so" result build '.message == "installed"'
expect "node: what npm keeps is in the cache" [ -d "$job/cache/npm/_cacache" ]
node_stage TEST test
expect "node: TEST passes without a network" [ "$code" = 0 ]
expect "node: TEST counts 3 tests" result test '.message == "3 tests, 0 failures"'
expect "node: TEST leaves JUnit XML" [ -s "$job/app/.pipelinex-junit/junit.xml" ]
node_stage PACKAGE package
expect "node: PACKAGE makes the archive" [ -s "$job/app/pipelinex-package/greeter-1.0.0.tar.gz" ]
expect "node: with what runs" archive_has ./src/server.js ./node_modules/express/package.json
! archive_has ./.pipelinex-junit/junit.xml; expect "node: and without reports" [ $? = 0 ]
made=$(mktemp -d "$work/made.XXXX"); mkdir "$made/artifacts"
cp "$job/app/pipelinex-package/greeter-1.0.0.tar.gz" "$made/artifacts/"; chmod -R a+rX "$made"
app_before=$job/app; rm -rf "$app_before"; cp -r "$made/artifacts" "$app_before"
step SMOKE-TEST "$node_image" none ro 'timeout 20 bash "$PIPELINES_DIR/start.sh" & for _ in $(seq 100); do
  curl -fsS http://127.0.0.1:3000/ && exit 0; sleep 0.1; done; exit 1' --env PORT=3000
expect "node: the archive starts and answers" [ "$code" = 0 ]

new_job node-express-failing-test
node_stage BUILD build bridge
node_stage TEST test
expect "node, failing test: TEST exits 1" [ "$code" = 1 ]
expect "node, failing test: one of three" result test '.message == "3 tests, 1 failures"'

new_job node-express-npm
rm "$job/app/package-lock.json"
node_stage BUILD build bridge
expect "node, no lock file: BUILD passes" [ "$code" = 0 ]
expect "node, no lock file: and warns" message build 'no package-lock.json'
node_stage PACKAGE package
expect "node, no lock file: PACKAGE needs no network" [ "$code" = 0 ]
stack=java-spring-boot-maven
