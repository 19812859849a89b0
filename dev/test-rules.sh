#!/usr/bin/env bash
# The SAST rules against their examples, and against the projects in examples/, by the semgrep of the scan image in a
# container as hard as the worker's. Runs on the engine that `docker` reaches; needs the runner images.
#
# In dev/rules a comment `ruleid: ID` or `ok: ID` speaks of the line below it. What is planted in a project is in its
# README, as "- `FILE:LINE` `ID`". Every finding must be announced, every announced one found, and each rule must have an
# example of both kinds and a severity that reaches its SARIF.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
rules=pipelines/global/semgrep
mapfile -t images < <("$root/runner-images/build.sh" --list)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$root"
passed=0 failed=0

fail() { failed=$((failed + 1)); echo "FAIL $1"; echo "     | ${2//$'\n'/$'\n     | '}"; }

scan() { # leaves the SARIF in $work/report and semgrep's own words in $work/log
  docker run --rm --init --user 10001:10001 --read-only --cap-drop ALL --security-opt no-new-privileges \
    --pids-limit 512 --memory 2g --memory-swap 2g --network none --tmpfs /tmp:exec,nosuid,nodev,size=256m --env HOME=/tmp \
    --volume "$root/$rules:/home/runner/pipelines:ro" --volume "$root/dev/rules:/home/runner/app/dev/rules:ro" \
    --volume "$root/examples:/home/runner/app/examples:ro" --workdir /home/runner/app "${images[1]}" \
    semgrep scan --metrics=off --disable-version-check --strict --config /home/runner/pipelines --no-rewrite-rule-ids \
    --disable-nosem --no-git-ignore --x-ignore-semgrepignore-files --exclude target --sarif . >"$work/report" 2>"$work/log" ||
    { cat "$work/log"; echo "rules: 0 passed, 1 failed"; exit 1; }
}

# Both lists have lines "ID FILE:LINE".
found() { jq -r '.runs[].results[] | .ruleId + " " + (.locations[0].physicalLocation | .artifactLocation.uri + ":" + (.region.startLine | tostring))' "$work/report" | sort -u; }
announced() {
  grep -rnoE 'ruleid: [a-z-]+' dev/rules --include='*.*' --exclude=README.md | awk -F: '{sub(/ /, "", $4); print $4 " " $1 ":" $2 + 1}'
  # shellcheck disable=SC2016 # Markdown's marks of code
  { grep -oE '^- `[^`]+:[0-9]+` `[a-z-]+`' examples/*/README.md || true; } | sed -E 's|/README.md:- `|/|; s|^([^`]+)` `([a-z-]+)`$|\2 \1|'
}
comments() { grep -rhoE "$1: $2( |\$)" dev/rules --exclude=README.md | wc -l; } # KIND ID

scan
found >"$work/found"
announced | sort -u >"$work/announced"
mapfile -t ids < <(sed -n 's/^  - id: //p' "$rules"/*.yaml)
for id in "${ids[@]}"; do
  problems=$(diff <(grep "^$id " "$work/announced") <(grep "^$id " "$work/found") | sed -n 's/^< /not found: /p; s/^> /not announced: /p' || true)
  [ "$(comments ruleid "$id")" -gt 0 ] || problems+=$'\nno example of what it finds'
  [ "$(comments ok "$id")" -gt 0 ] || problems+=$'\nno example of what it leaves alone'
  jq -e --arg id "$id" '.runs[0].tool.driver.rules[] | select(.id == $id).properties["security-severity"] | tonumber' "$work/report" >/dev/null 2>&1 ||
    problems+=$'\nno security-severity in its SARIF'
  if [ -z "$problems" ]; then passed=$((passed + 1)); echo "ok   $id"; else fail "$id" "${problems#$'\n'}"; fi
done

unknown=$(cut -d' ' -f1 "$work/announced" | sort -u | grep -vxF -f <(printf '%s\n' "${ids[@]}") || true)
[ -z "$unknown" ] || fail "announced findings of rules that there are" "$unknown"
# A source that one rule learns of must not stay unknown to the others.
blocks=$(grep -l '# request:' "$rules"/*.yaml | while read -r file; do
  sed -n '/# request:/,/# end of request/p' "$file" | sed 's/^ *//; s/^- label: REQUEST$//; s/^- patterns:$/patterns:/' | grep -v '^$' | sha256sum
done | sort -u | wc -l)
[ "$blocks" = 1 ] || fail "the block on requests is the same in every rule" "there are $blocks of them"

echo "rules: $passed passed, $failed failed"
[ "$failed" = 0 ]
