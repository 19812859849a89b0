# SAST; sourced by dev/test-stages.sh. What hides code from semgrep is tried with a rule of this test's own.
# shellcheck shell=bash disable=SC2154

new_job spring-boot-maven
scan SAST sast
expect "clean project: SAST finds nothing" result sast '.status == "SUCCESS" and .message == "no findings"'
expect "clean project: SAST left nothing unread" result sast '.details.scanned.files > 0 and .details.skipped == null'

empty_job sast
rm -rf "$job/pipelines/global/semgrep"; mkdir -p "$job/pipelines/global/semgrep/java"
cat >"$job/pipelines/global/semgrep/java/rules.yaml" <<'END'
rules:
  - id: exec
    languages: [java]
    severity: ERROR
    message: "a command is run: $X"
    metadata: {security-severity: "9.1"}
    pattern: Runtime.getRuntime().exec($X)
END
bad() { printf 'class A { void a() throws Exception {\nRuntime.getRuntime().exec("hunter2");%s\n} }\n' "${1:-}"; }
bad >"$job/pipelines/global/semgrep/java/Example.java"
places=(.hidden/A.java .semgrepignored/A.java build/A.java gitignored/A.java node_modules/a/A.java src/A.java src/test/java/A.java tests/A.java vendor/A.java)
for place in "${places[@]}"; do mkdir -p "$job/app/$(dirname "$place")"; bad >"$job/app/$place"; done
bad ' // nosemgrep: exec' >"$job/app/src/Comment.java"
{ bad; seq -f "// $(printf 'x%.0s' {1..990}) %.0f" 1100; } >"$job/app/src/Large.java"
echo 'class Torn { void x( { Runtime.getRuntime().exec("x"); ' >"$job/app/src/Torn.java"
echo .semgrepignored >"$job/app/.semgrepignore"; echo gitignored >"$job/app/.gitignore"
git -C "$job/app" init --quiet
hand_over
scan SAST sast
all_found() { [ "$(sarif sast/semgrep.sarif)" = "$(printf 'exec %s:2\n' "${places[@]}" src/Comment.java src/Large.java | LC_ALL=C sort)" ]; }
expect "SAST: nothing that the project brings hides code, and a rule has its plain name" all_found
expect "SAST: the count is in the message" result sast '.message == "passed with findings: 11 critical"'
expect "SAST: an ignore file is told" warned sast ".semgrepignore found: ignored"
expect "SAST: a comment is told" warned sast 'src/Comment.java:2 says `nosem`: ignored'
expect "SAST: a file that cannot be parsed is named as unread" unread sast src/Torn.java
no_code_shown() { ! grep -q hunter2 "$work/log" "$job"/reports/sast/*; }
expect "SAST: no code is shown" no_code_shown

step SAST "$scan_image" none ro "semgrep scan --metrics=off --disable-version-check --error --config \"\$PIPELINES_DIR/global/semgrep\" \"\$APP_DIR\""
expect "lie 4: semgrep itself, on a home that is read-only, ends as if it had findings" [ "$code" = 1 ]
expect "lie 4: it has none" grep -q 'Read-only file system' "$work/log"
scan SAST sast --memory 48m --memory-swap 48m
expect "SAST: killed for memory is no success" [ "$code" != 0 ]
echo 'rules: [{id: broken, languages: [java], severity: ERROR, message: m, pattern: "foo(((("}]' >"$job/pipelines/global/semgrep/broken.yaml"
scan SAST sast
expect "SAST: a rule that cannot be used is an error" [ "$code" = 2 ]
rm -rf "$job/app"; mkdir "$job/app"; echo text >"$job/app/README.md"
rm "$job/pipelines/global/semgrep/broken.yaml"
scan SAST sast
expect "lie 2: a scan of nothing is an error" message sast "scanned nothing"

# What a submitter would try who must pass: each hole is found, or its file is named as unread.
found_there() { grep -qxF "${2:-java-command-injection} $1" "$work/found"; }
unread_there() { grep -qxF "${1%:*}" "$work/unread"; }
found_or_unread() { found_there "$1" || unread_there "$1"; }
read_whole() { ! unread_there "$1"; }
not_planted() { ! grep -qi canary "$job"/reports/sast/*; }
empty_job sast-evasions
python3 "$root/dev/stages/evasions/make-sast.py" "$job/app" >"$work/sast-places"
hand_over
# One of them takes every rule longer than anybody waits: less time, the same verdict.
scan SAST sast --env SAST_RULE_SECONDS=5
jq -r '.runs[].results[] | .ruleId + " " + (.locations[0].physicalLocation | (.artifactLocation.uri | gsub("\n"; " ")) + ":" + (.region.startLine | tostring))' \
  "$job/reports/sast/semgrep.sarif" >"$work/found" || true
jq -r '.details.skipped // [] | .[].path' "$job/reports/sast/result.json" >"$work/unread" || true
while IFS=$'\t' read -r id expected place; do
  case $expected in
    FOUND:*) expect "SAST evasion $id: found at its line" found_there "$place" "${expected#*:}" ;;
    FOUND) expect "SAST evasion $id: found at its line" found_there "$place" ;;
    UNREAD) expect "SAST evasion $id: named as unread" unread_there "$place" ;;
    READ) expect "SAST $id: read as a whole" read_whole "$place" ;;
    *) expect "SAST evasion $id: found, or named as unread" found_or_unread "$place" ;;
  esac
done <"$work/sast-places"
expect "SAST: what was planted to test the tool is in no report" not_planted

# What a build file says decides what is read and what is a test; a project that says nothing odd has nothing unread.
empty_job sast-builds
mkdir -p "$job/app/src/test/java"
printf 'class Key {\n  String password = "correct-horse-battery";\n  String a = "\\n";\n}\n' >"$job/app/src/test/java/Key.java"
echo 'class Plain { }' >"$job/app/src/test/java/Plain.java"
pom() { echo "<project><properties><project.build.sourceEncoding>$1</project.build.sourceEncoding></properties>${2:-}</project>" >"$job/app/pom.xml"; }
key_found() { jq -e '[.runs[].results[] | select(.ruleId == "java-hardcoded-credentials")] | length == 1' "$job/reports/sast/semgrep.sarif"; }
plain_read() { ! unread sast src/test/java/Plain.java; }
pom UTF-8; hand_over; scan SAST sast
expect "SAST: what is in the sources of tests is left out" result sast '.message == "no findings" and .details.skipped == null'
pom x-IBM943 '<build><sourceDirectory>src/test/java</sourceDirectory></build>'; hand_over; scan SAST sast
expect "SAST evasion encoding-of-the-build: named as unread" unread sast src/test/java/Key.java
expect "SAST evasion encoding-of-the-build: what means the same in every encoding is read" plain_read
expect "SAST evasion moved-sources: found" key_found
