# BUILD, TEST, PACKAGE and the start of the program for Rust; sourced by dev/test-stages.sh.
# shellcheck shell=bash disable=SC2154,SC2034

rust_image=$(image rust1.96)
stack=rust-any-cargo
rust_stage() { step "$1" "$rust_image" none rw "bash \"\$PIPELINES_DIR/$2.sh\"" --env RUST_VERSION=1.96; }

new_job rust-server
hard rust "$rust_image"
rust_stage BUILD build
expect "rust: BUILD compiles, and needs no network where nothing is to be fetched" [ "$code" = 0 ]
rust_stage TEST test
expect "rust: TEST passes" [ "$code" = 0 ]
cases() { [ "$(grep -c '<testcase' "$job/app/.pipelinex-junit/junit.xml")" = "$1" ]; }
expect "rust: the unit test and the one of the documentation are in the JUnit XML" cases 2
rust_stage PACKAGE package
expect "rust: PACKAGE makes the program" [ -x "$job/app/pipelinex-package/greeter" ]
rm -rf "$work/made"; mkdir "$work/made"; cp -r "$job/app/pipelinex-package" "$work/made/"
rm -rf "$job/app"; cp -r "$work/made" "$job/app"; chmod -R a+rX "$job/app"
step SMOKE-TEST "$rust_image" none ro 'timeout 20 bash "$PIPELINES_DIR/start.sh" & for _ in $(seq 100); do
  curl -fsS "http://127.0.0.1:8000/" && exit 0; sleep 0.1; done; exit 1' --env PORT=8000
expect "rust: the program starts and answers" grep -q "Hello, world!" "$work/log"

new_job rust-failing-test
rust_stage BUILD build
rust_stage TEST test
expect "rust, failing test: TEST fails" [ "$code" != 0 ]
expect "rust, failing test: one of two, with what it said" grep -q 'tests="2" failures="1"' "$job/app/.pipelinex-junit/junit.xml"
expect "rust, failing test: the message is the assertion's" grep -q '<failure message="assertion `left == right` failed: the sum of 1, 2 and 3' "$job/app/.pipelinex-junit/junit.xml"
rust_stage PACKAGE package
expect "rust, library: PACKAGE is not applicable" result package '.status == "SKIPPED"'

new_job rust-compile-error
rust_stage BUILD build
expect "rust, compile error: BUILD fails" [ "$code" != 0 ]
expect "rust, compile error: and the log says where" grep -q "src/lib.rs:5" "$work/log"
stack=java-spring-boot-maven
