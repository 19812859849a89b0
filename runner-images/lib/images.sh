# The table of images: what each is called, which build arguments and files go into it, and which tools it takes.
# shellcheck shell=bash disable=SC2153,SC2154,SC2034 # versions.env and build.sh set what is read here, and read what is set

# The order that --list prints; the scripts in dev/ count on it.
all_images=(java17-maven scan sca postgres node24-npm)

# describe NAME: sets `image`, `arguments`, `inputs` (files and folders, from the root of the repository) and `tools`.
describe() {
  arguments=() inputs=("runner-images/$1") tools=()
  case $1 in
    java17-maven)
      image=pipelinex/java17-maven:$JAVA17_MAVEN_VERSION
      arguments=("MAVEN_VERSION=$MAVEN_VERSION" "MAVEN_SHA512=$MAVEN_SHA512" "MAVEN_DEPENDENCY_PLUGIN_VERSION=$MAVEN_DEPENDENCY_PLUGIN_VERSION")
      inputs+=(examples/spring-boot-maven/{pom.xml,src} examples/spring-boot-{database,vulnerable-dependency}/pom.xml)
      ;;
    node24-npm)
      image=pipelinex/node24-npm:$NODE24_NPM_VERSION
      arguments=("NODE_VERSION=$NODE24_VERSION" "NODE_SHA512=$NODE24_SHA512" "NPM_VERSION=$NPM_VERSION" "NPM_SHA512=$NPM_SHA512")
      ;;
    scan)
      image=pipelinex/scan:$SCAN_VERSION
      arguments=("GITLEAKS_VERSION=$GITLEAKS_VERSION" "GITLEAKS_RULES_SHA256=$GITLEAKS_RULES_SHA256" "SEMGREP_VERSION=$SEMGREP_VERSION" "WAPITI_VERSION=$WAPITI_VERSION")
      tools=(gitleaks wrapper)
      ;;
    sca)
      image=pipelinex/sca:$SCA_VERSION
      arguments=("SYFT_VERSION=$SYFT_VERSION" "OSV_SCANNER_VERSION=$OSV_SCANNER_VERSION")
      tools=(syft osv-scanner wrapper)
      ;;
    postgres)
      image=pipelinex/postgres:$POSTGRES_VERSION
      arguments=("POSTGRES_VERSION=$POSTGRES_VERSION")
      ;;
    *) die "no image is called '$1'; there are: ${all_images[*]}" ;;
  esac
}

# content_of NAME: the hash of all that goes into an image; of `describe`, it needs and leaves the variables.
content_of() {
  local tool sources=()
  describe "$1"
  for tool in "${tools[@]}"; do sources+=("$tool=$(tool_source "$tool")"); done
  content "BASE=$BASE" "${arguments[@]}" "${sources[@]}" -- "${inputs[@]}"
}

# content ARG=VALUE... -- PATH...: the hash of words and of files, whatever order the file system has them in.
content() {
  local words=()
  while [ "$1" != -- ]; do words+=("$1"); shift; done; shift
  { printf '%s\n' "${words[@]}"; (cd "$root" && find "$@" -type f ! -path '*/target/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum); } |
    sha256sum | cut -c1-16
}
