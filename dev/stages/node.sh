# BUILD, TEST, PACKAGE and the start of the application for Node; sourced by dev/test-stages.sh.
# shellcheck shell=bash disable=SC2154,SC2034

node_version=24 node_image=$(image node24-npm)
stack=node-any-any
archive_has() { local name; for name in "$@"; do tar -tzf "$job/app/pipelinex-package/greeter-1.0.0.tar.gz" | grep -xF "$name" >/dev/null || return 1; done; }
node_stage() { step "$1" "$node_image" "${3:-none}" rw "bash \"\$PIPELINES_DIR/$2.sh\"" --env NODE_VERSION="$node_version" "${node_ca[@]}"; }
# Where a network signs TLS anew, npm has to trust what this machine trusts, as the worker sees to it.
node_ca=()
[ ! -e /etc/ssl/certs/ca-certificates.crt ] ||
  node_ca=(--volume /etc/ssl/certs/ca-certificates.crt:/ca.pem:ro --env NODE_EXTRA_CA_CERTS=/ca.pem)

new_job node-express-npm
hard node "$node_image"
node_stage BUILD build bridge
expect "node: BUILD installs from the lock file" [ "$code" = 0 ]
expect "node: BUILD says so" result build '.message == "installed by npm"'
expect "node: what npm keeps is in the cache" [ -d "$job/cache/npm/_cacache" ]
node_stage TEST test
expect "node: TEST passes without a network" [ "$code" = 0 ]
expect "node: TEST counts 3 tests" result test '.message == "3 tests, 0 failures"'
expect "node: TEST leaves JUnit XML" [ -s "$job/app/.pipelinex-junit/junit.xml" ]
node_stage PACKAGE package
expect "node: PACKAGE makes the archive" [ -s "$job/app/pipelinex-package/greeter-1.0.0.tar.gz" ]
expect "node: with what runs" archive_has ./src/server.js ./node_modules/express/package.json
! archive_has ./.pipelinex-junit/junit.xml; expect "node: and without reports" [ $? = 0 ]
# What the application answers once it is up, by what PACKAGE made of it.
node_answers() {
  rm -rf "$work/made"; mkdir "$work/made"; cp -r "$job/app/pipelinex-package" "$work/made/"
  rm -rf "$job/app"; cp -r "$work/made" "$job/app"; chmod -R a+rX "$job/app"
  step SMOKE-TEST "$node_image" none ro 'timeout 40 bash "$PIPELINES_DIR/start.sh" & for _ in $(seq 200); do
    curl -fsS "http://127.0.0.1:3000/" && exit 0; sleep 0.1; done; exit 1' --env PORT=3000
}
node_answers
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

# Each installer finds its lock file where the one before it made none: it makes it first, as the project would have.
for manager in pnpm yarn1 yarn4; do
  new_job node-express-npm
  rm "$job/app/package-lock.json"
  case $manager in
    pnpm) make="pnpm install --lockfile-only --store-dir \$CACHE_DIR/pnpm" ;;
    yarn1) make="yarn install --ignore-scripts && rm -rf node_modules" ;;
    yarn4) make="touch yarn.lock && YARN_ENABLE_IMMUTABLE_INSTALLS=false yarn4 install --mode update-lockfile" ;;
  esac
  step LOCK "$node_image" bridge rw "cd \$APP_DIR && . \$PIPELINES_DIR/node.sh && $make" "${node_ca[@]}"
  node_stage BUILD build bridge
  expect "node, $manager: BUILD installs from its lock file" result build ".message == \"installed by $manager\""
  node_stage TEST test
  expect "node, $manager: TEST counts 3 tests without a network" result test '.message == "3 tests, 0 failures"'
  node_stage PACKAGE package
  node_answers
  expect "node, $manager: the archive starts and answers" [ "$code" = 0 ]
done

# The same with each other Node that there is an image of.
for node_version in ${node_versions-20 22}; do
  node_image=$(image "node$node_version-npm")
  new_job node-express-npm
  node_stage BUILD build bridge
  expect "node $node_version: BUILD installs from the lock file" [ "$code" = 0 ]
  node_stage TEST test
  expect "node $node_version: TEST counts 3 tests" result test '.message == "3 tests, 0 failures"'
  node_stage PACKAGE package
  node_answers
  expect "node $node_version: the archive starts and answers" [ "$code" = 0 ]
done
node_version=24 node_image=$(image node24-npm)

# A front end: what its build makes is served.
empty_job node-front-end
printf '{"name": "page", "version": "0.1.0", "scripts": {"start": "vite", "build": "mkdir -p dist && echo a page >dist/index.html", "test": "echo \\"Error: no test specified\\" && exit 1"}}' >"$job/app/package.json"
hand_over
node_stage BUILD build bridge
node_stage TEST test
expect "node, front end: the script of npm init is no test" result test '.status == "SKIPPED"'
node_stage PACKAGE package
node_answers
expect "node, front end: the files of its build are served" grep -q "a page" "$work/log"

# A library: nothing starts it.
empty_job node-library
printf '{"name": "sum", "version": "0.1.0", "main": "index.js"}' >"$job/app/package.json"
echo 'module.exports = (a, b) => a + b;' >"$job/app/index.js"
hand_over
node_stage BUILD build bridge
node_stage PACKAGE package
expect "node, library: PACKAGE makes its package" [ -s "$job/app/pipelinex-package/sum-0.1.0.tgz" ]
expect "node, library: and nothing that starts" [ ! -e "$job/app/pipelinex-package/start" ]
stack=java-spring-boot-maven
