# How this stack calls dotnet; the stage scripts source it.
# shellcheck shell=bash disable=SC2034 # the scripts read what is set here

# What NuGet and dotnet keep goes into the cache of the job's tree.
: "${CACHE_DIR:?the worker sets it}"
export DOTNET_CLI_HOME="$CACHE_DIR/dotnet" NUGET_PACKAGES="$CACHE_DIR/nuget" NUGET_HTTP_CACHE_PATH="$CACHE_DIR/nuget-http"
export NUGET_PLUGINS_CACHE_PATH="$CACHE_DIR/nuget-plugins" DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_GENERATE_ASPNET_CERTIFICATE=false
export DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 NUGET_XMLDOC_MODE=skip MSBUILDDISABLENODEREUSE=1 TERM=dumb
# A project for an older .NET is tested and started by the one of the image.
export DOTNET_ROLL_FORWARD=Major

configuration=Release
# No process is left behind that later calls would ask.
quiet=(-c "$configuration" --nologo -p:UseSharedCompilation=false)

# What is built: the solution at the top, else the only project there, else each project.
targets() {
  local found
  for found in *.slnx *.sln; do [ ! -e "$found" ] || { echo "$found"; return; }; done
  for found in *.csproj *.fsproj *.vbproj; do [ ! -e "$found" ] || { echo "$found"; return; }; done
  projects
}

projects() { find . -name '*.[cfv][sb]proj' -not -path '*/bin/*' -not -path '*/obj/*' -not -path './.cache/*' | sort; }

is_test() { grep -qiE 'Microsoft\.NET\.Test\.Sdk|<IsTestProject>true|"xunit|"NUnit|MSTest|TUnit' "$1"; }

# What can be started: projects of the web first, then other programs.
programs() {
  local project
  while read -r project; do ! grep -q 'Microsoft\.NET\.Sdk\.Web"' "$project" || is_test "$project" || echo "$project"; done < <(projects)
  while read -r project; do ! grep -qE '<OutputType>(Win)?Exe' "$project" || is_test "$project" || echo "$project"; done < <(projects)
}
