#!/usr/bin/env bash
# Makes a Git repository whose history holds a secret that its last commit does not.
#
#   examples/secret-in-history.sh DIR     DIR must be empty or not there yet
#
# It is examples/spring-boot-maven in three commits: the project; `application.properties` line 3 gets a made-up AWS access
# key id; the line goes again. A scan of the files finds nothing. One of the history finds `aws-access-token` at
# src/main/resources/application.properties:3, in the second commit. The same each time, down to the ids of the commits.
set -euo pipefail

to=${1:?usage: secret-in-history.sh DIR}
example=$(cd "$(dirname "$0")" && pwd)/spring-boot-maven
[ -z "$(ls -A "$to" 2>/dev/null)" ] || { echo "secret-in-history.sh: $to is not empty" >&2; exit 1; }
mkdir -p "$to"
cp -r "$example"/{README.md,pom.xml,src} "$to"
cd "$to"
# Whoever runs this, and however their git is set up: the same names, times and modes.
find . -type d -exec chmod 755 {} + && find . -type f -exec chmod 644 {} +
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME="Ada Example" GIT_AUTHOR_EMAIL=ada@example.com TZ=UTC
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL

commit() { # MESSAGE HOUR
  export GIT_AUTHOR_DATE="2026-01-05T$2:00:00Z" GIT_COMMITTER_DATE="2026-01-05T$2:00:00Z"
  git add --all && git commit --quiet --message "$1"
}

git -c init.defaultBranch=main init --quiet
commit "A greeting over HTTP" 09
echo 'greeter.access-key=AKIAQ4FAKE7KEY5ZXW3T' >>src/main/resources/application.properties
commit "Greetings are kept in a bucket" 10
sed -i '/^greeter.access-key=/d' src/main/resources/application.properties
commit "The key comes from the environment" 11
