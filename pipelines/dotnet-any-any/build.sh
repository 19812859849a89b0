#!/usr/bin/env bash
# BUILD: restores the packages, by the lock files where there are some, and compiles all of it with its tests, because only BUILD has a
# network.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=dotnet.sh
. "$PIPELINES_DIR/dotnet.sh"
begin_stage

warnings=""
cd "$APP_DIR"
mapfile -t all < <(targets)
how=()
if find . -name packages.lock.json -not -path './.cache/*' | grep -q .; then how=(--locked-mode)
else warnings="; WARNING: there is no packages.lock.json, so the next job may get other versions: \`dotnet restore --use-lock-file\` makes it"; fi
[ -z "${PIPELINEX_NUGET_CONFIG:-}" ] || how+=(--configfile "$PIPELINEX_NUGET_CONFIG")
for target in "${all[@]}"; do
  dotnet restore "$target" "${how[@]}" || finish $? "dotnet restore failed; where it says that a lock file does not fit, run \`dotnet restore --force-evaluate\` and hand it in"
  dotnet build "$target" --no-restore "${quiet[@]}" || finish $? "dotnet build failed"
done
finish 0 "built by .NET $(dotnet --version)$warnings"
