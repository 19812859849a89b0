#!/usr/bin/env bash
# clippy, rustdoc and shellcheck, warnings are errors.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

cargo clippy --workspace --all-targets --all-features -- -D warnings
RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -D warnings" cargo doc --workspace --no-deps --all-features
if command -v shellcheck >/dev/null; then
  shellcheck --external-sources --source-path=SCRIPTDIR --severity=warning dev/*.sh dev/*/*.sh runner-images/*.sh runner-images/*/*.sh examples/*.sh pipelines/*/*.sh worker/src/*/*.sh .ci/run
else
  echo "lint: shellcheck is not installed, shell scripts are not checked (dev/setup.sh installs it)" >&2
fi
# Newer ones read a unit that is not installed; 40 is what systemd calls 4.0.
if systemd-analyze security --help 2>/dev/null | grep -q -- --offline; then
  systemd-analyze security --offline=true --threshold=40 --no-pager deploy/pipelinex.service >/dev/null \
    || { echo "lint: deploy/pipelinex.service: its exposure is 4.0 or more (systemd-analyze security --offline=true)" >&2; exit 1; }
else
  echo "lint: systemd-analyze is not installed or too old, the exposure of deploy/pipelinex.service is not checked" >&2
fi
