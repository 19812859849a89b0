#!/usr/bin/env bash
# clippy, rustdoc and shellcheck, warnings are errors; and what the dependencies are: used, licensed, from crates.io, without
# known advisories.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

cargo clippy --workspace --all-targets --all-features -- -D warnings
RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -D warnings" cargo doc --workspace --no-deps --all-features
if command -v cargo-machete >/dev/null; then
  cargo machete --skip-target-dir >/dev/null || { cargo machete --skip-target-dir; exit 1; }
else
  echo "lint: cargo-machete is not installed, unused dependencies are not looked for (dev/setup.sh installs it)" >&2
fi
if command -v cargo-deny >/dev/null; then
  cargo deny --log-level error check bans licenses sources
  # RustSec's database is a Git repository, which not every network reaches.
  advisories=$(compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/advisory-db-*" | head -n 1 || true)
  if timeout 120 cargo deny --log-level error fetch db >/dev/null 2>&1; then
    cargo deny --log-level error check --disable-fetch advisories
  elif [ -n "$advisories" ]; then
    echo "lint: the advisories about dependencies could not be refreshed, those of $(date -r "$advisories" +%F) are checked" >&2
    cargo deny --log-level error check --disable-fetch advisories
  else
    echo "lint: the advisories about dependencies could not be fetched (RustSec's repository), and are not checked" >&2
  fi
else
  echo "lint: cargo-deny is not installed, licences, sources and advisories are not checked (dev/setup.sh installs it)" >&2
fi
if command -v shellcheck >/dev/null; then
  shellcheck --external-sources --source-path=SCRIPTDIR --severity=warning dev/*.sh dev/*/*.sh runner-images/*.sh runner-images/*/*.sh examples/*.sh pipelines/*/*.sh pipelines/*/*/*.sh worker/src/*/*.sh .ci/run
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
