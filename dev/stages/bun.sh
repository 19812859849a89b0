# BUILD, TEST, PACKAGE and the start of what bun and Deno run, in the image of Node; sourced by dev/test-stages.sh.
# shellcheck shell=bash disable=SC2154,SC2034

node_image=$(image node24-npm)
# Where a network signs TLS anew, installers have to trust what this machine trusts, as the worker sees to it.
bun_ca=()
[ ! -e /etc/ssl/certs/ca-certificates.crt ] ||
  bun_ca=(--volume /etc/ssl/certs/ca-certificates.crt:/ca.pem:ro --env NODE_EXTRA_CA_CERTS=/ca.pem --env SSL_CERT_FILE=/ca.pem --env DENO_CERT=/ca.pem)
bun_stage() { step "$1" "$node_image" "${3:-none}" rw "bash \"\$PIPELINES_DIR/$2.sh\"" --env NODE_VERSION=24 --env DENO_VERSION=2.9.6 "${bun_ca[@]}"; }
bun_answers() { # PATH
  rm -rf "$work/made"; mkdir "$work/made"; cp -r "$job/app/pipelinex-package" "$work/made/"
  rm -rf "$job/app"; cp -r "$work/made" "$job/app"; chmod -R a+rX "$job/app"
  step SMOKE-TEST "$node_image" none ro "timeout 60 bash \"\$PIPELINES_DIR/start.sh\" & app=\$!; for _ in \$(seq 200); do
    curl -fsS 'http://127.0.0.1:8000$1' && exit 0; kill -0 \$app || exit 3; sleep 0.2; done; exit 1" --env PORT=8000
}
cases() { [ "$(cat "$job"/app/.pipelinex-junit/*.xml | grep -c '<testcase')" = "$1" ]; }

stack=node-any-any
new_job node-bun
bun_stage BUILD build bridge
expect "bun: BUILD installs the bun that is named, and by its lock file" result build '.message == "installed by bun"'
bun_stage TEST test
expect "bun: TEST passes without a network" [ "$code" = 0 ]
expect "bun: each test is counted" cases 2
bun_stage PACKAGE package
expect "bun: PACKAGE says how it is started" grep -qx "script start" "$job/app/pipelinex-package/start"
bun_answers "/greeting?name=Ada"
expect "bun: the archive starts and answers" grep -q "Hello, Ada!" "$work/log"

# No script says how it is tested or started, no lock file, and a test fails.
new_job node-bun
rm "$job/app/bun.lock"
printf '{"name": "bare", "packageManager": "bun@1.4.5", "dependencies": {"is-odd": "3.0.1"}}\n' >"$job/app/package.json"
sed -i 's/Hello, Ada!/Hello, Bob!/' "$job/app/test/greeting.test.ts"
hand_over
bun_stage BUILD build bridge
expect "bun, no lock file: BUILD says what makes one" message build "bun install --lockfile-only"
bun_stage TEST test
expect "bun, failing test: TEST exits 1" [ "$code" = 1 ]
expect "bun, failing test: it is in the report" grep -q "<failure" "$job"/app/.pipelinex-junit/*.xml
bun_stage PACKAGE package
expect "bun, no script: what serves is started" grep -qx "command bun src/server.ts" "$job/app/pipelinex-package/start"

stack=deno-any-any
new_job deno-server
bun_stage BUILD build bridge
expect "deno: BUILD installs Deno and what is imported" result build '.message == "installed by Deno 2.9.6"'
bun_stage TEST test
expect "deno: TEST passes without a network" [ "$code" = 0 ]
expect "deno: each test is counted" cases 2
bun_stage PACKAGE package
bun_answers "/greeting?name=Ada"
expect "deno: the archive starts and answers" grep -q "Hello, Ada!" "$work/log"

new_job deno-server
printf 'export const wrong: number = "text";\n' >>"$job/app/greeting.ts"
hand_over
bun_stage BUILD build bridge
expect "deno, types that do not fit: BUILD fails and says where" grep -q "TS2322" "$work/log"
stack=java-spring-boot-maven
