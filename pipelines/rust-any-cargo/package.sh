#!/usr/bin/env bash
# PACKAGE: builds the programs for release, offline. The one that is started is packed with the files of the project, which it may read.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=cargo.sh
. "$PIPELINES_DIR/cargo.sh"
begin_stage

cd "$APP_DIR"
out=$PWD/pipelinex-package
rm -rf "$out"
all=$(programs)
[ -n "$all" ] || not_applicable "nothing to package: no package is a program, it is a library"
# As quick as the release of the project asks for, but for optimisation over all crates, which takes minutes and changes no behaviour.
CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo build --workspace --bins --release --offline --locked ||
  finish $? "cargo build --release failed"
mkdir "$out"
while read -r _ name; do cp "$CARGO_TARGET_DIR/release/$name" "$out/"; done <<<"$all"
start=$(program)
[ -n "$start" ] || finish 0 "$(cut -d ' ' -f 2 <<<"$all" | paste -sd , | sed 's/,/, /g'): nothing that serves can be told from the rest, so nothing is started"
tar --sort=name --owner=0 --group=0 --numeric-owner --exclude=./pipelinex-package --exclude=./.pipelinex-junit --exclude=./.git \
  --exclude=./.cache --exclude=./target --exclude='*.rs' -czf "$out/files.tar.gz" . || finish 2 "the archive could not be made"
echo "$start" >"$out/start"
finish 0 "$start"
