# How this stack calls Maven; the stage scripts source it.
# shellcheck shell=bash

# A job writes to a repository of its own. The one baked into the image lies read-only below it: a warm cache
# that no job can poison. Its files came from the same remotes, so which one exactly does not matter.
maven_repository="${CACHE_DIR:?the worker sets it}/m2"
maven_baked="${PIPELINEX_MAVEN_REPOSITORY:-/opt/maven/repository}"

# The build's own mvn, never the project's wrapper, which would download another. A short run gains nothing
# from the JVM's second compiler.
maven() {
  local options=(-B -ntp "-Dmaven.repo.local=$maven_repository" -Dstyle.color=never)
  if [ -d "$maven_baked" ]; then
    options+=("-Dmaven.repo.local.tail=$maven_baked" -Dmaven.repo.local.tail.ignoreAvailability=true)
  fi
  MAVEN_OPTS="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC ${MAVEN_OPTS:-}" mvn "${options[@]}" "$@"
}
