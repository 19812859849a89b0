# SECRETS over a history that does all it can to hide; sourced by dev/test-stages.sh.
# shellcheck shell=bash disable=SC2154

empty_job history
key() { printf 'AKIA%s' "$1"; } # in two pieces, or a scan of this repository finds it
git() { command git -C "$job/app" -c user.name=test -c user.email=test@example.org "$@"; }
commit() { git add --all; git commit --quiet --message "$1"; git rev-parse --short=7 HEAD; }
git init --quiet --initial-branch main
echo text >"$job/app/a.txt"; commit first >/dev/null
echo "key=$(key QYLPMN5HHHFPZAM2)" >"$job/app/conf.properties"
removed=$(commit "add $(key QYLPMN5HHHFPZAM2)")
git rm --quiet conf.properties; commit remove >/dev/null
git checkout --quiet -b side
# Attributes that make git call each file binary, or show it as a program of the project's choice likes it.
echo '* -diff diff=mine' >"$job/app/.gitattributes"; commit attributes >/dev/null
echo "k=$(key YRQXMZ5HHHFPZB77)" >"$job/app/hidden.txt"; attributes=$(commit hidden)
git checkout --quiet main; echo text >"$job/app/b.txt"; commit b >/dev/null
git merge --quiet --no-ff --no-commit side >/dev/null 2>&1
echo "k=$(key ZRTQXW5HHHFPKC34)" >"$job/app/merged.txt"; merge=$(commit "merge, and more than that")
git rm --quiet hidden.txt merged.txt
# What git's log cannot show as text: wide characters, an archive; and what nobody can read.
echo "k=$(key XRTQYW5HHHFPKD56)" | iconv --to-code UTF-16 >"$job/app/wide.txt"
echo "k=$(key WRTQYW5HHHFPKD67)" | gzip >"$job/app/packed.gz"
head -c 3000 /dev/urandom >"$job/app/random.bin"; binary=$(commit binary)
git rm --quiet wide.txt packed.gz random.bin; commit "all gone" >/dev/null
# Programs that a repository's configuration would have git run.
marker=/home/runner/reports/ran
for name in core.fsmonitor core.pager diff.external diff.mine.textconv diff.mine.command gpg.program core.sshCommand; do
  git config "$name" "touch $marker; false"
done
git config log.showSignature true
hand_over; chown -R 0:0 "$job/app"

step SECRETS "$scan_image" none ro 'gitleaks git "$APP_DIR"'
lied() { [ "$code" = 0 ] && grep -q 'no leaks found' "$work/log"; }
expect "lie 1: gitleaks itself finds a foreign checkout clean" lied
scan SECRETS secrets --env SCAN_MODE=git
found() {
  [ "$(sarif secrets/gitleaks.sarif)" = "aws-access-token conf.properties:1 $removed
aws-access-token hidden.txt:1 $attributes
aws-access-token merged.txt:1 $merge
aws-access-token packed.gz!packed:1 $binary
aws-access-token wide.txt:1 $binary" ]
}
expect "history: what was removed, called binary or only merged is found" found
expect "history: what nobody can read is named" result secrets '[.details.skipped[].path] == ["random.bin"]'
expect "history: a finding names its commit" grep -q "merged.txt:1 in commit $merge" "$work/log"
expect "history: it passes with findings" result secrets '.status == "SUCCESS" and .details.scanned_commits > 3'
no_secret_shown() { ! grep -q 'AKIA' "$work/log" "$job"/reports/secrets/*; }
expect "history: no secret is shown, nor one of a commit's message" no_secret_shown
expect "history: nothing of the repository's configuration ran" [ ! -e "$job/reports/ran" ]

find "$job/app/.git/objects" -type f -name "$(git rev-parse main^ | cut -c3-)" -delete
scan SECRETS secrets --env SCAN_MODE=git
expect "history: a missing commit is an error" [ "$code" = 2 ]
rm -rf "$job/app/.git"
scan SECRETS secrets --env SCAN_MODE=git
expect "history: a folder without one is an error" message secrets "no .git folder"
unset -f git
