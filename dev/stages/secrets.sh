# SECRETS over a folder, and with a custom tool; sourced by dev/test-stages.sh.
# shellcheck shell=bash disable=SC2154

new_job spring-boot-maven
scan SECRETS secrets
expect "clean project: SECRETS passes" [ "$code" = 0 ]
expect "clean project: result.json says so" result secrets '.stage == "SECRETS" and .status == "SUCCESS" and .message == "no secrets found"'

new_job spring-boot-planted-secret
line='aws-access-token src/main/resources/application.properties:4'
planted() { [ "$(sarif secrets/gitleaks.sarif)" = "$line" ]; }
scan SECRETS secrets --env SCAN_MODE=dir
expect "planted secret: SECRETS passes with findings" [ "$code" = 0 ]
expect "planted secret: rule, file and line" planted
expect "planted secret: the count is in the message" result secrets '.message == "passed with findings: 1 high"'
no_secret_shown() { ! grep -q 'AKIA' "$work/log" "$job"/reports/secrets/*; }
expect "planted secret: nobody shows it" no_secret_shown
sed -i '4s/$/ # gitleaks:allow/' "$job/app/src/main/resources/application.properties"
echo '/home/runner/app/src/main/resources/application.properties:aws-access-token:4' >>"$job/app/.gitleaksignore"
scan SECRETS secrets
expect "planted secret: an allow comment and ignore files change nothing" planted
expect "planted secret: they are told" warned secrets 'application.properties:4 says `gitleaks:allow`: ignored'

custom() { # TOOL [INSTALL]
  scan SECRETS secrets --env SCAN_MODE=custom --env "CUSTOM_TOOL_CMD=$1" --env "CUSTOM_INSTALL_CMD=${2:-}" --env CUSTOM_LOG_EXT=txt
}
custom 'look "$APP_DIR/pom.xml"; exit 1' 'mkdir -p ~/.local/bin; printf "#!/bin/sh\nhead -c 5 \$1" >~/.local/bin/look; chmod +x ~/.local/bin/look'
expect "custom tool: exit code 1 is a finding" result secrets '.message == "passed with findings: 1 medium"'
expect "custom tool: its output is kept" [ "$(cat "$job/reports/secrets/SECRETS.txt")" = "<?xml" ]
custom 'touch "$APP_DIR/x" || exit 0; exit 1'
expect "custom tool: the source is read-only" message secrets "exit code 0"
custom 'sudo id'
expect "custom tool: sudo is refused" [ "$code" = 2 ]

rm -rf "$job/app"; mkdir "$job/app"
scan SECRETS secrets
expect "nothing to scan: exit 2" [ "$code" = 2 ]
echo broken >"$job/pipelines/global/gitleaks.toml"; echo text >"$job/app/file"
scan SECRETS secrets
expect "broken rules: exit 2" [ "$code" = 2 ]
