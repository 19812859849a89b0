#!/usr/bin/env bash
# clippy, rustdoc and shellcheck, warnings are errors.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

cargo clippy --workspace --all-targets --all-features -- -D warnings
RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -D warnings" cargo doc --workspace --no-deps --all-features
if command -v shellcheck >/dev/null; then
  shellcheck --external-sources --source-path=SCRIPTDIR --severity=warning dev/*.sh dev/*/*.sh runner-images/*.sh runner-images/*/*.sh examples/*.sh pipelines/*/*.sh .ci/run
else
  echo "lint: shellcheck is not installed, shell scripts are not checked (dev/setup.sh installs it)" >&2
fi
