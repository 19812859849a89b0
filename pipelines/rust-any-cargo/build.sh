#!/usr/bin/env bash
# BUILD: fetches the crates, and compiles everything with its tests, because only BUILD has a network.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=cargo.sh
. "$PIPELINES_DIR/cargo.sh"
begin_stage
use_caches

cd "$APP_DIR"
warnings="" locked=(--locked)
if [ ! -e Cargo.lock ]; then
  warnings="; WARNING: there is no Cargo.lock, so the next job may get other versions: \`cargo generate-lockfile\` makes it"
  cargo generate-lockfile || finish $? "the crates could not be resolved"
fi
cargo fetch "${locked[@]}" || finish $? "the crates could not be fetched as Cargo.lock names them"
cargo build --workspace --offline "${locked[@]}" || finish $? "cargo build failed"
cargo test --workspace --offline "${locked[@]}" --no-run || warnings+="; WARNING: the tests do not compile: TEST says why"
finish 0 "built by $(rustc --version | cut -d ' ' -f 1,2)$warnings"
