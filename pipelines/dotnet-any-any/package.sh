#!/usr/bin/env bash
# PACKAGE: publishes the program that is started; a library becomes the package that dotnet makes of it. Offline.
set -euo pipefail
# shellcheck source=../global/lib.sh
. "$PIPELINES_DIR/global/lib.sh"
# shellcheck source=dotnet.sh
. "$PIPELINES_DIR/dotnet.sh"
begin_stage

cd "$APP_DIR"
out=$PWD/pipelinex-package
rm -rf "$out"
mkdir "$out"
program=$(programs | head -n 1)
if [ -z "$program" ]; then
  while read -r project; do
    is_test "$project" || dotnet pack "$project" --no-build "${quiet[@]}" --output "$out" </dev/null || finish $? "dotnet pack $project failed"
  done < <(projects)
  compgen -G "$out/*.nupkg" >/dev/null || not_applicable "nothing to package: no project is a program or can be packed"
  finish 0 "$(ls "$out"); nothing starts it: no project has the SDK Microsoft.NET.Sdk.Web or is an executable"
fi
dotnet publish "$program" --no-build "${quiet[@]}" --output "$out/app" || finish $? "dotnet publish $program failed"
settings=("$out"/app/*.runtimeconfig.json)
[ -e "${settings[0]}" ] || finish 1 "dotnet publish $program made no program"
name=$(basename "${settings[0]}" .runtimeconfig.json)
tar --sort=name --owner=0 --group=0 --numeric-owner -C "$out/app" -czf "$out/application.tar.gz" . || finish 2 "the archive could not be made"
rm -rf "$out/app"
echo "$name.dll" >"$out/start"
finish 0 "application.tar.gz; started as: dotnet $name.dll"
