#!/usr/bin/env bash
# The stage scripts in containers as hard as the worker's, without the worker: what fails here is the scripts' or
# the images' fault. Runs on the engine that `docker` reaches; needs the runner images and root.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
mapfile -t images < <("$root/runner-images/build.sh" --list)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
passed=0 failed=0

# expect WHAT COMMAND...
expect() {
  local what=$1; shift
  if "$@" >/dev/null 2>&1; then passed=$((passed + 1)); echo "ok   $what"
  else failed=$((failed + 1)); echo "FAIL $what"; tail -n 25 "$work/log" | sed 's/^/     | /'; fi
}

# A job of its own for each example: a tree that belongs to the runner, pipelines as the worker installs them.
new_job() { # EXAMPLE
  job=$work/$1
  rm -rf "$job"; mkdir -p "$job"/{reports,cache}
  cp -r "$root/examples/$1" "$job/app"; rm -rf "$job/app/target"
  cp -r "$root/pipelines/spring-boot-maven" "$job/pipelines"; cp -r "$root/pipelines/global" "$job/pipelines/global"
  chown -R 10001:10001 "$job"/{app,reports,cache}; chmod -R a+rX "$job"
}

# step STAGE IMAGE NETWORK SCRIPT APP_MODE: leaves the exit code in `code`, the time in `seconds`, the log in $work/log.
step() {
  local stage=$1 image=$2 network=$3 script=$4 mode=$5 started=$EPOCHREALTIME options=()
  [ "$stage" = SECRETS ] || options+=(--volume "$job/cache:/home/runner/.cache" --env CACHE_DIR=/home/runner/.cache)
  code=0
  docker run --rm --init --user 10001:10001 --read-only --cap-drop ALL --security-opt no-new-privileges \
    --pids-limit 512 --memory 2g --memory-swap 2g --cpus 2 --ipc private --network "$network" --hostname runner \
    --tmpfs /tmp:exec,nosuid,nodev,size=256m --workdir /home/runner \
    --volume "$job/app:/home/runner/app:$mode" --volume "$job/pipelines:/home/runner/pipelines:ro" \
    --volume "$job/reports:/home/runner/reports" "${options[@]}" \
    --env APP_DIR=/home/runner/app --env PIPELINES_DIR=/home/runner/pipelines --env REPORTS_DIR=/home/runner/reports \
    --env "STAGE=$stage" --env JAVA_VERSION=17 --env HOME=/home/runner \
    "$image" sh -c "exec 2>&1; bash \"\$PIPELINES_DIR/$script\"" >"$work/log" || code=$?
  seconds=$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.1f", b - a}')
  echo "     $(basename "$job") $stage: exit $code after $seconds s"
}
secrets() { step SECRETS "${images[1]}" none global/secrets.sh ro; }
# A job's BUILD may have a network; with nothing but the warm repository it must do without.
build() { step BUILD "${images[0]}" none build.sh rw; }
unit_tests() { step TEST "${images[0]}" none test.sh rw; }
package() { step PACKAGE "${images[0]}" none package.sh rw; }

result() { jq -e "$2" "$job/reports/$1/result.json"; }
findings() { jq -r '.runs[].results[] | .ruleId + " " + (.locations[0].physicalLocation | .artifactLocation.uri + ":" + (.region.startLine|tostring))' "$job/reports/secrets/gitleaks.sarif"; }

new_job spring-boot-maven
secrets
expect "clean project: SECRETS passes" [ "$code" = 0 ]
expect "clean project: result.json says so" result secrets '.stage == "SECRETS" and .status == "SUCCESS" and .message == "no secrets found"'
build
expect "BUILD works from the warm repository alone" [ "$code" = 0 ]
expect "BUILD leaves no test results behind" [ ! -e "$job/app/target/surefire-reports" ]
unit_tests
expect "TEST passes" [ "$code" = 0 ]
expect "TEST counts 5 tests" result test '.message == "5 tests, 0 failures, 0 errors, 0 skipped"'
expect "TEST leaves JUnit XML" [ -e "$job/app/target/surefire-reports/TEST-dev.pipelinex.greeter.GreetingServiceTest.xml" ]
package
expect "PACKAGE makes the jar" [ -s "$job/app/target/greeter-1.0.0.jar" ]
expect "PACKAGE's log is framed" grep -q '^\[PIPELINE\] END PACKAGE$' "$work/log"

new_job spring-boot-compile-error
build
expect "compile error: BUILD exits 1" [ "$code" = 1 ]
expect "compile error: the log has javac's words" grep -q 'cannot find symbol' "$work/log"
expect "compile error: result.json is FAILED" result build '.status == "FAILED"'

new_job spring-boot-failing-test
build
expect "failing test: BUILD passes" [ "$code" = 0 ]
unit_tests
expect "failing test: TEST exits 1" [ "$code" = 1 ]
expect "failing test: one of three" result test '.message == "3 tests, 1 failures, 0 errors, 0 skipped"'

new_job spring-boot-planted-secret
line='aws-access-token src/main/resources/application.properties:4'
planted() { [ "$(findings)" = "$line" ]; }
secrets
expect "planted secret: SECRETS passes with findings" [ "$code" = 0 ]
expect "planted secret: rule, file and line" planted
expect "planted secret: the count is in the message" result secrets '.message == "passed with findings: 1"'
no_secret_shown() { ! grep -q 'AKIA' "$work/log" "$job"/reports/secrets/*; }
expect "planted secret: nobody shows it" no_secret_shown
sed -i '4s/$/ # gitleaks:allow/' "$job/app/src/main/resources/application.properties"
echo '/home/runner/app/src/main/resources/application.properties:aws-access-token:4' >>"$job/app/.gitleaksignore"
secrets
expect "planted secret: an allow comment and ignore files change nothing" planted
rm -rf "$job/app"; mkdir "$job/app"
secrets
expect "nothing to scan: exit 2" [ "$code" = 2 ]
echo broken >"$job/pipelines/global/gitleaks.toml"; echo text >"$job/app/file"
secrets
expect "broken rules: exit 2" [ "$code" = 2 ]

echo "stages: $passed passed, $failed failed"
[ "$failed" = 0 ]
