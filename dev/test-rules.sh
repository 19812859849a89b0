#!/usr/bin/env bash
# The SAST rules against their examples, and against the projects in examples/, by `pipelinex-scan sast` in a container as hard as
# the worker's. Runs on the engine that `docker` reaches; needs the runner images and root. `make rules`.
# PIPELINEX_SCAN: a statically linked pipelinex-scan that is used in place of the one in the image.
#
# In dev/rules a comment `ruleid: ID` or `ok: ID` speaks of the line below it; `todoruleid: ID` is a case that is missed today, and
# `todook: ID` a false alarm of today. What is planted in a project is in its README, as "- `FILE:LINE` `ID`". Every finding must be
# announced, every announced one found, and each rule must have an example of both kinds and a severity that reaches its SARIF.
# Precision and recall are those over all of these cases, the known misses and false alarms included.
#
# PIPELINEX_BENCHMARK=DIR: also the score over a checkout of the OWASP Benchmark for Java. It only informs.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
rules=pipelines/global/semgrep
mapfile -t images < <("$root/runner-images/build.sh" --list)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$root"
passed=0 failed=0

fail() { failed=$((failed + 1)); echo "FAIL $1"; echo "     | ${2//$'\n'/$'\n     | '}"; }

# What a user gets: the sources read as `pipelinex-scan sast` reads them, its own canaries and all. Leaves the SARIF in $work/report.
scan() { # MOUNTS...
  local options=()
  [ -z "${PIPELINEX_SCAN:-}" ] || options+=(--volume "$PIPELINEX_SCAN:/usr/local/bin/pipelinex-scan:ro")
  rm -rf "$work/reports"; mkdir "$work/reports"; chown 10001:10001 "$work/reports"
  docker run --rm --init --user 10001:10001 --read-only --cap-drop ALL --security-opt no-new-privileges \
    --pids-limit 512 --memory 2g --memory-swap 2g --network none --tmpfs /tmp:exec,nosuid,nodev,size=512m --env HOME=/tmp \
    --volume "$root/$rules:/home/runner/pipelines/global/semgrep:ro" --volume "$work/reports:/home/runner/reports" "$@" "${options[@]}" \
    --env APP_DIR=/home/runner/app --env PIPELINES_DIR=/home/runner/pipelines --env REPORTS_DIR=/home/runner/reports --env STAGE=SAST \
    --workdir /home/runner/app "${images[1]}" pipelinex-scan sast >"$work/log" 2>&1 || true
  cp "$work/reports/sast/semgrep.sarif" "$work/report" || { cat "$work/log"; echo "rules: 0 passed, 1 failed"; exit 1; }
}

# All lists have lines "ID FILE:LINE".
found() {
  jq -r '.runs[].results[] | .ruleId + " " + (.locations[0].physicalLocation | .artifactLocation.uri + ":" + (.region.startLine | tostring))' \
    "$work/report" | sort -u
}
commented() { # KIND
  { grep -rnoE "(^|[^a-z])$1: [a-z-]+" dev/rules --include="*.*" --exclude=README.md || true; } | sed -E "s/^([^:]+):([0-9]+):.*$1: /\1 \2 /" |
    awk '{print $3 " " $1 ":" $2 + 1}' | sort -u
}
planted() {
  # shellcheck disable=SC2016 # Markdown's marks of code
  { grep -oE '^- `[^`]+:[0-9]+` `[a-z-]+`' examples/*/README.md || true; } | sed -E 's|/README.md:- `|/|; s|^([^`]+)` `([a-z-]+)`$|\2 \1|'
}
of() { grep "^$1 " "$2" || true; } # ID LIST
share() { awk -v a="$1" -v b="$2" 'BEGIN {if (b) printf "%.2f", a / b; else printf "-"}'; } # PART WHOLE

scan --volume "$root/dev/rules:/home/runner/app/dev/rules:ro" --volume "$root/examples:/home/runner/app/examples:ro"
found >"$work/found"
for kind in ruleid ok todoruleid todook; do commented "$kind" >"$work/$kind"; done
{ cat "$work/ruleid"; planted; } | sort -u >"$work/announced"
sort -u "$work/announced" "$work/todoruleid" >"$work/true"
sort -u "$work/announced" "$work/todook" >"$work/expected"
mapfile -t ids < <(sed -n 's/^  - id: //p' "$rules"/*.yaml)
for id in "${ids[@]}"; do
  problems=$(diff <(of "$id" "$work/expected") <(of "$id" "$work/found") | sed -n 's/^< /not found: /p; s/^> /not announced: /p' || true)
  [ -n "$(of "$id" "$work/ruleid")" ] || problems+=$'\nno example of what it finds'
  [ -n "$(of "$id" "$work/ok")" ] || problems+=$'\nno example of what it leaves alone'
  jq -e --arg id "$id" '.runs[0].tool.driver.rules[] | select(.id == $id).properties["security-severity"] | tonumber' "$work/report" >/dev/null 2>&1 ||
    problems+=$'\nno security-severity in its SARIF'
  hits=$(comm -12 <(of "$id" "$work/true") <(of "$id" "$work/found") | wc -l)
  all_found=$(of "$id" "$work/found" | wc -l) all_true=$(of "$id" "$work/true" | wc -l)
  all_false=$(sort -u "$work/ok" "$work/todook" | grep -c "^$id " || true)
  if [ -z "$problems" ]; then
    passed=$((passed + 1))
    printf 'ok   %-34s precision %s  recall %s  (%d true cases, %d false)\n' "$id" \
      "$(share "$hits" "$all_found")" "$(share "$hits" "$all_true")" "$all_true" "$all_false"
  else
    fail "$id" "${problems#$'\n'}"
  fi
done

unknown=$(cat "$work"/{announced,todoruleid,todook} | cut -d' ' -f1 | sort -u | grep -vxF -f <(printf '%s\n' "${ids[@]}") || true)
[ -z "$unknown" ] || fail "announced findings of rules that there are" "$unknown"
# A source that one rule learns of must not stay unknown to the others.
blocks=$(grep -l '# request:' "$rules"/*.yaml | while read -r file; do
  sed -n '/# request:/,/# end of request/p' "$file" | sed 's/^ *//; s/^- label: REQUEST$//; s/^- patterns:$/patterns:/' | grep -v '^$' | sha256sum
done | sort -u | wc -l)
[ "$blocks" = 1 ] || fail "the block on requests is the same in every rule" "there are $blocks of them"

# Each file of the benchmark is one case of one category, true or false. A rule of ours answers for a category.
benchmark() { # DIR
  local row category rule true false hits alarms
  [ -e "$1/expectedresults-1.2.csv" ] || { fail "PIPELINEX_BENCHMARK" "$1 has no expectedresults-1.2.csv"; return; }
  scan --volume "$(realpath "$1")/src/main/java:/home/runner/app:ro"
  jq -r '.runs[].results[] | .ruleId + " " + (.locations[0].physicalLocation.artifactLocation.uri | sub(".*/"; "") | sub("[.]java$"; ""))' \
    "$work/report" | sort -u >"$work/found"
  echo "OWASP Benchmark (score: recall less the share of false cases that are found)"
  for row in cmdi:java-command-injection sqli:java-sql-injection pathtraver:java-path-traversal xss:java-reflected-xss \
    hash:java-weak-hash weakrand:java-weak-random; do
    category=${row%%:*} rule=${row#*:}
    awk -F, -v c="$category" -v r="$rule" '$2 == c && $3 == "true" {print r " " $1}' "$1/expectedresults-1.2.csv" | sort -u >"$work/true"
    awk -F, -v c="$category" -v r="$rule" '$2 == c && $3 == "false" {print r " " $1}' "$1/expectedresults-1.2.csv" | sort -u >"$work/false"
    true=$(wc -l <"$work/true") false=$(wc -l <"$work/false")
    hits=$(comm -12 "$work/true" "$work/found" | wc -l) alarms=$(comm -12 "$work/false" "$work/found" | wc -l)
    printf '     %-34s precision %s  recall %s  score %s  (%d true cases, %d false)\n' "$rule" "$(share "$hits" $((hits + alarms)))" \
      "$(share "$hits" "$true")" "$(awk -v a="$hits" -v b="$true" -v c="$alarms" -v d="$false" 'BEGIN {printf "%.2f", a / b - c / d}')" "$true" "$false"
  done
}
[ -z "${PIPELINEX_BENCHMARK:-}" ] || benchmark "$PIPELINEX_BENCHMARK"

echo "rules: $passed passed, $failed failed"
[ "$failed" = 0 ]
