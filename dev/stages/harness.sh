# How a stage is run and judged; dev/test-stages.sh sources it. Sets `job`, `code` and `seconds` for its users.
# shellcheck shell=bash disable=SC2034

: "${root:?}" "${work:?}"
image() { "$root/runner-images/build.sh" --list | grep "/$1:"; }
java_image=$(image java17-maven) scan_image=$(image scan) sca_image=$(image sca)
passed=0 failed=0 containers=() networks=()

clean_up() {
  [ ${#containers[@]} = 0 ] || docker rm --force "${containers[@]}" >/dev/null 2>&1 || true
  [ ${#networks[@]} = 0 ] || docker network rm "${networks[@]}" >/dev/null 2>&1 || true
  rm -rf "$work"
}

# expect WHAT COMMAND...
expect() {
  local what=$1; shift
  if "$@" >/dev/null 2>&1; then passed=$((passed + 1)); echo "ok   $what"
  else failed=$((failed + 1)); echo "FAIL $what"; tail -n 25 "$work/log" | sed 's/^/     | /'; fi
}

# A job of its own: pipelines as the worker installs them, and folders for reports and the Maven cache.
empty_job() { # NAME
  job=$work/$1
  rm -rf "$job"; mkdir -p "$job"/{app,reports,cache}
  cp -r "$root/pipelines/${stack:-java-spring-boot-maven}" "$job/pipelines"; cp -r "$root/pipelines/global" "$job/pipelines/global"
}

hand_over() { chown -R 10001:10001 "$job"/{app,reports,cache}; chmod -R a+rX "$job"; }

# A job of an example, whose tree belongs to the runner.
new_job() { # EXAMPLE
  empty_job "$1"
  cp -r "$root/examples/$1/." "$job/app"; rm -rf "$job/app/target"
  hand_over
}

# step STAGE IMAGE NETWORK APP_MODE COMMAND [DOCKER_OPTION...]
# Leaves the exit code in `code`, the time in `seconds`, the log in $work/log.
step() {
  local stage=$1 image=$2 network=$3 mode=$4 command=$5 began=$EPOCHREALTIME options=()
  shift 5
  [ "$mode" = ro ] || options+=(--volume "$job/cache:/home/runner/.cache" --env CACHE_DIR=/home/runner/.cache)
  [ -z "${PIPELINEX_SCAN:-}" ] || options+=(--volume "$PIPELINEX_SCAN:/usr/local/bin/pipelinex-scan:ro")
  code=0
  docker run --rm --init --user 10001:10001 --read-only --cap-drop ALL --security-opt no-new-privileges \
    --pids-limit 512 --memory 2g --memory-swap 2g --cpus 2 --ipc private --network "$network" --hostname runner \
    --tmpfs /tmp:exec,nosuid,nodev,size=256m --workdir /home/runner \
    --volume "$job/app:/home/runner/app:$mode" --volume "$job/pipelines:/home/runner/pipelines:ro" \
    --volume "$job/reports:/home/runner/reports" "${options[@]}" \
    --env APP_DIR=/home/runner/app --env PIPELINES_DIR=/home/runner/pipelines --env REPORTS_DIR=/home/runner/reports \
    --env "STAGE=$stage" --env JAVA_VERSION=17 --env HOME=/home/runner "$@" \
    "$image" sh -c "exec 2>&1; $command" >"$work/log" || code=$?
  seconds=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.1f", b - a}')
  echo "     $(basename "$job") $stage: exit $code after $seconds s"
}

# hard NAME IMAGE: whether code in this image can become somebody, write to the root or get out. Needs a job.
hard() {
  step PROBE "$2" none ro 'id; grep -E "^(Cap(Bnd|Eff)|NoNewPrivs):" /proc/self/status; [ "$(id -u)" = 10001 ] || exit 1
    if touch /x /etc/x /opt/x /usr/local/bin/x; then exit 2; fi
    if find / -xdev -perm /6000 -type f | grep .; then exit 3; fi
    [ "$(grep -cE "^Cap(Bnd|Eff):.0+$" /proc/self/status)" = 2 ] || exit 4
    if curl -sS -m 3 http://192.0.2.1/; then exit 5; fi'
  expect "$1: the image gives nothing away" [ "$code" = 0 ]
}

# scan STAGE WORD [DOCKER_OPTION...]: as the worker runs a scan, without a network.
scan() {
  local stage=$1 word=$2 image=$scan_image; shift 2
  [ "$word" != sca ] || image=$sca_image
  step "$stage" "$image" none ro "pipelinex-scan $word" "$@"
}

result() { jq -e "$2" "$job/reports/$1/result.json"; }
message() { jq -r .message "$job/reports/$1/result.json" | grep -q -- "$2"; }
warned() { jq -r '.warnings[]' "$job/reports/$1/result.json" | grep -qF -- "$2"; }
# unread STAGE PATH: whether the scan says that it did not read this file.
unread() { jq -e --arg path "$2" '.details.skipped // [] | any(.path == $path)' "$job/reports/$1/result.json"; }

# sarif REPORT: a line for each finding, with rule, file, line and, of history, the first digits of the commit.
sarif() {
  jq -r '.runs[].results[] | [.ruleId, (.locations[0].physicalLocation | .artifactLocation.uri + ":" + (.region.startLine | tostring)),
    (.partialFingerprints.commitSha // "" | .[0:7])] | join(" ") | rtrimstr(" ")' "$job/reports/$1" | LC_ALL=C sort
}
