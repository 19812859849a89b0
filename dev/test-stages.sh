#!/usr/bin/env bash
# The stages in containers as hard as the worker's, without the worker: what fails here is the fault of the scripts, of
# the images or of pipelinex-scan. Runs on the engine that `docker` reaches; needs the runner images, git and root.
#
#   dev/test-stages.sh                    all of it
#   dev/test-stages.sh secrets sast       only these parts: maven gradle java node runners python go rust php ruby bun secrets history sast sca target
#   java_versions=17 dev/test-stages.sh java   with this JDK alone; node_versions and python_versions likewise, of those beside the newest;
#                                         go_toolchains, of those that go.mod may name
#
# PIPELINEX_SCAN: a statically linked pipelinex-scan that is used in place of the one in the images.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
chmod 755 "$work"
# shellcheck source=stages/harness.sh
. "$root/dev/stages/harness.sh"
trap clean_up EXIT

parts=("$@")
[ $# -gt 0 ] || parts=(maven gradle java node runners python go rust php ruby bun secrets history sast sca target)
for part in "${parts[@]}"; do
  started=$SECONDS
  # shellcheck source=/dev/null
  . "$root/dev/stages/$part.sh"
  echo "     $part took $((SECONDS - started)) s"
done

echo "stages: $passed passed, $failed failed"
[ "$failed" = 0 ]
