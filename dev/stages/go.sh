# BUILD, TEST, PACKAGE and the start of the program for Go; sourced by dev/test-stages.sh.
# shellcheck shell=bash disable=SC2154,SC2034

go_image=$(image go1.24)
stack=go-any-go
go_stage() { step "$1" "$go_image" "${3:-none}" rw "bash \"\$PIPELINES_DIR/$2.sh\"" --env GO_VERSION=1.24 "${go_ca[@]}"; }
# Where a network signs TLS anew, go has to trust what this machine trusts, as the worker sees to it.
go_ca=()
[ ! -e /etc/ssl/certs/ca-certificates.crt ] ||
  go_ca=(--volume /etc/ssl/certs/ca-certificates.crt:/ca.pem:ro --env SSL_CERT_FILE=/ca.pem)

new_job go-program
hard go "$go_image"
go_stage BUILD build bridge
expect "go: BUILD fetches and compiles" [ "$code" = 0 ]
go_stage TEST test
expect "go: TEST passes without a network" [ "$code" = 0 ]
expect "go: TEST leaves JUnit XML" grep -q 'tests="1"' "$job/app/.pipelinex-junit/junit-1.xml"
go_stage PACKAGE package
expect "go: PACKAGE makes the program, without a network" [ -x "$job/app/pipelinex-package/greeter" ]
rm -rf "$work/made"; mkdir "$work/made"; cp -r "$job/app/pipelinex-package" "$work/made/"
rm -rf "$job/app"; cp -r "$work/made" "$job/app"; chmod -R a+rX "$job/app"
step SMOKE-TEST "$go_image" none ro 'timeout 20 bash "$PIPELINES_DIR/start.sh" & for _ in $(seq 100); do
  curl -fsS "http://127.0.0.1:8000/greeting?name=Ada" && exit 0; sleep 0.1; done; exit 1' --env PORT=8000
expect "go: the program starts and answers" grep -q "Hello, Ada!" "$work/log"

new_job go-failing-test
go_stage BUILD build bridge
go_stage TEST test
expect "go, failing test: TEST exits 1" [ "$code" = 1 ]
expect "go, failing test: one of two" grep -q 'tests="2" failures="1"' "$job/app/.pipelinex-junit/junit-1.xml"

new_job go-compile-error
go_stage BUILD build
expect "go, compile error: BUILD fails" [ "$code" != 0 ]
expect "go, compile error: and the log says where" grep -q "count.go:" "$work/log"

# A workspace, whose library has no tests and whose program listens where others do not reach it.
new_job go-library
mkdir "$job/app/server"
printf 'module example.org/server\n\ngo 1.24\n' >"$job/app/server/go.mod"
printf 'go 1.24\n\nuse (\n\t.\n\t./server\n)\n' >"$job/app/go.work"
printf 'package main\n\nimport "net/http"\n\nfunc main() {\n\tpanic(http.ListenAndServe("127.0.0.1:9999", http.FileServer(http.Dir("."))))\n}\n' >"$job/app/server/main.go"
hand_over
go_stage BUILD build
expect "go, workspace: BUILD needs no network where nothing is to be fetched" [ "$code" = 0 ]
go_stage TEST test
expect "go, workspace: TEST passes" [ "$code" = 0 ]
go_stage PACKAGE package
expect "go, workspace: the only program is started" grep -qx server "$job/app/pipelinex-package/start"
rm -rf "$work/made"; mkdir "$work/made"; cp -r "$job/app/pipelinex-package" "$work/made/"
rm -rf "$job/app"; cp -r "$work/made" "$job/app"; chmod -R a+rX "$job/app"
step SMOKE-TEST "$go_image" none ro 'timeout 40 bash "$PIPELINES_DIR/start.sh" & for _ in $(seq 300); do
  curl -fsS "http://127.0.0.1:8000/go.work" && exit 0; sleep 0.1; done; exit 1' --env PORT=8000
expect "go, workspace: what is asked at PORT is passed on to where it listens" grep -q "use (" "$work/log"

# A Go that is newer than the image's comes from the module proxy, and is there still where nothing can be asked for.
for go_newer in ${go_toolchains-1.25.0}; do
  new_job go-library
  printf 'module example.org/wordcount\n\ngo 1.24.0\n\ntoolchain go%s\n' "$go_newer" >"$job/app/go.mod"
  printf 'package main\n\nfunc main() {}\n' >"$job/app/main.go"; rm -f "$job/app/"*_test.go "$job/app/count.go" "$job/app/wordcount.go"
  hand_over
  go_stage BUILD build bridge
  expect "go, newer toolchain: BUILD fetches it" message build "built by go$go_newer"
  go_stage PACKAGE package
  expect "go, newer toolchain: PACKAGE calls it without a network" [ -x "$job/app/pipelinex-package/wordcount" ]
done

new_job go-library
go_stage BUILD build
go_stage PACKAGE package
expect "go, library: PACKAGE is not applicable" result package '.status == "SKIPPED"'
stack=java-spring-boot-maven
