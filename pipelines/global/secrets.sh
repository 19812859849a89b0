#!/usr/bin/env bash
# SECRETS: gitleaks over what was submitted, by our rules alone.
#
# Findings do not fail the stage, that is a gate's business; a scan that did not work does (exit 2). gitleaks
# alone would say "no leaks found" in both cases, so its report must exist, parse and agree with its exit code,
# and it must have read something.
set -euo pipefail
# shellcheck source=lib.sh
. "$PIPELINES_DIR/global/lib.sh"
begin_stage

# gitleaks obeys a .gitleaksignore at the root of what it scans, and no flag stops it. Its entries name files as
# gitleaks saw them, so it sees them below a link with a random name, which nobody can have written down before.
scratch=$(mktemp -d)
root=$(mktemp -u -p "$scratch" XXXXXXXXXXXXXXXXXXXX)
ln -s "$APP_DIR" "$root"

report="$stage_reports/gitleaks.sarif"
code=0
cd "$scratch"
gitleaks dir "$root/." --config "$PIPELINES_DIR/global/gitleaks.toml" \
  --gitleaks-ignore-path /nonexistent --ignore-gitleaks-allow --redact \
  --report-format sarif --report-path "$scratch/report.sarif" --exit-code 10 --no-banner --no-color \
  >"$scratch/log" 2>&1 || code=$?
sed "s|$root/||g" "$scratch/log"

case $code in
  0 | 10) ;;
  *) finish 2 "gitleaks failed with exit code $code" ;;
esac
grep -Eq 'scanned ~[1-9][0-9]* bytes' "$scratch/log" || finish 2 "gitleaks scanned nothing"
jq --arg root "$root/" '(.. | objects | select(has("uri")).uri) |= ltrimstr($root)
    | (.. | objects | select(has("text")).text) |= (split($root) | join(""))' \
  "$scratch/report.sarif" >"$report" || finish 2 "gitleaks wrote no report that can be read"
count=$(jq -er '[.runs[].results[]] | length' "$report") || finish 2 "gitleaks' report has no results"
[ "$code" = 10 ] && [ "$count" -eq 0 ] && finish 2 "gitleaks says it found something, its report is empty"
[ "$code" = 0 ] && [ "$count" -gt 0 ] && finish 2 "gitleaks says it found nothing, its report has $count findings"

# A file name may hold a line break; the log gets one line for each finding all the same.
jq -r '.runs[].results[] | .ruleId + " at " + (.locations[0].physicalLocation | .artifactLocation.uri + ":" + (.region.startLine | tostring)) | gsub("[[:cntrl:]]"; "?")' "$report"
unread=$(grep -c 'skipping' "$scratch/log" || true)
[ "$unread" -eq 0 ] || finish 2 "gitleaks could not read $unread paths"
[ "$count" -eq 0 ] && finish 0 "no secrets found"
finish 0 "passed with findings: $count"
