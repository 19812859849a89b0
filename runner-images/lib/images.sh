# The table of images: what each is called, which build arguments and files go into it, and which tools it takes.
# shellcheck shell=bash disable=SC2153,SC2154,SC2034 # versions.env and build.sh set what is read here, and read what is set

# The order that --list prints; the scripts in dev/ count on it.
all_images=(java17-maven scan sca postgres mariadb redis node24-npm python3.13 go1.24 java21-maven java25-maven rust1.96 php8.4 ruby3.3 node20-npm node22-npm python3.11 php8.2 ruby3.1)

# One toolchain a language, and what all stacks share: what `make up` builds and `make test` runs in. The rest is large, and
# wanted by some: other versions of Java, Node and Python, Rust, PHP, Ruby.
usual_images=(java17-maven scan sca postgres mariadb redis node24-npm python3.13 go1.24)

# dotnet8.0, dotnet9.0 and dotnet10.0 are in neither list: nothing stands in for their base where it cannot be pulled, so that only who
# asks for them has them built.

# images_of WORD: `usual`, the images of the stacks of a language, or the word itself, which is an image then.
images_of() {
  if [ "$1" = usual ]; then printf '%s\n' "${usual_images[@]}"; return; fi
  local tables=("$root/pipelines/$1"-*/images.env)
  if [ -e "${tables[0]}" ]; then sed -n 's/^\([^#=]*\)=.*/\1/p' "${tables[@]}" | sort -u; else echo "$1"; fi
}

# describe NAME: sets `image`, `folder` (of its Dockerfile), `arguments`, `inputs` (files and folders, from the root of the
# repository), `tools`, and `public_base` with `suite`, the Debian suite that stands in for it.
describe() {
  folder=$1 arguments=() inputs=() tools=() public_base=$BASE suite=$BASE_SUITE
  case $1 in
    java17-maven | java21-maven | java25-maven)
      local java=${1#java}; java=${java%-maven}
      image=pipelinex/$1:$JAVA_MAVEN_VERSION folder=java
      [ "$java" = 17 ] || public_base=$JAVA_BASE suite=$JAVA_SUITE
      arguments=("JAVA_VERSION=$java" "MAVEN_VERSION=$MAVEN_VERSION" "MAVEN_SHA512=$MAVEN_SHA512" "MAVEN_DEPENDENCY_PLUGIN_VERSION=$MAVEN_DEPENDENCY_PLUGIN_VERSION")
      inputs+=(examples/spring-boot-maven/{pom.xml,src} examples/spring-boot-{database,vulnerable-dependency}/pom.xml)
      ;;
    node20-npm | node22-npm | node24-npm)
      local node=${1%-npm}; node=NODE${node#node}
      local version=${node}_VERSION sha512=${node}_SHA512
      image=pipelinex/$1:$NODE_NPM_VERSION folder=node
      arguments=("NODE_VERSION=${!version}" "NODE_SHA512=${!sha512}" "NPM_VERSION=$NPM_VERSION" "NPM_SHA512=$NPM_SHA512"
        "PNPM_VERSION=$PNPM_VERSION" "PNPM_SHA512=$PNPM_SHA512" "YARN1_VERSION=$YARN1_VERSION" "YARN1_SHA512=$YARN1_SHA512" "YARN4_VERSION=$YARN4_VERSION" "YARN4_SHA512=$YARN4_SHA512")
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
    python3.13)
      image=pipelinex/python3.13:$PYTHON313_VERSION folder=python public_base=$PYTHON313_BASE suite=$PYTHON313_SUITE
      arguments=("PYTHON_VERSION=3.13" "UV_VERSION=$UV_VERSION" "POETRY_VERSION=$POETRY_VERSION")
      ;;
    python3.11)
      image=pipelinex/python3.11:$PYTHON311_VERSION folder=python
      arguments=("PYTHON_VERSION=3.11" "UV_VERSION=$UV_VERSION" "POETRY_VERSION=$POETRY_VERSION")
      ;;
    go1.24)
      image=pipelinex/go1.24:$GO124_VERSION folder=go public_base=$GO124_BASE suite=$GO124_SUITE
      arguments=("GO_VERSION=1.24" "GOTESTSUM_VERSION=$GOTESTSUM_VERSION")
      ;;
    rust1.96)
      image=pipelinex/rust1.96:$RUST196_VERSION folder=rust public_base=$RUST196_BASE suite=$RUST196_SUITE
      arguments=("RUST_VERSION=1.96")
      ;;
    php8.4)
      image=pipelinex/php8.4:$PHP84_VERSION folder=php public_base=$PHP84_BASE suite=$PHP84_SUITE
      arguments=("PHP_VERSION=8.4")
      ;;
    php8.2)
      image=pipelinex/php8.2:$PHP82_VERSION folder=php
      arguments=("PHP_VERSION=8.2")
      ;;
    ruby3.3)
      image=pipelinex/ruby3.3:$RUBY33_VERSION folder=ruby public_base=$RUBY33_BASE suite=$RUBY33_SUITE
      arguments=("RUBY_VERSION=3.3")
      ;;
    ruby3.1)
      image=pipelinex/ruby3.1:$RUBY31_VERSION folder=ruby
      arguments=("RUBY_VERSION=3.1")
      ;;
    dotnet8.0 | dotnet9.0 | dotnet10.0)
      local dotnet=${1#dotnet}; dotnet=DOTNET${dotnet/./}
      local version=${dotnet}_VERSION wanted=${dotnet}_BASE
      image=pipelinex/$1:${!version} folder=dotnet public_base=${!wanted} suite=none
      arguments=("DOTNET_VERSION=${1#dotnet}")
      ;;
    postgres)
      image=pipelinex/postgres:$POSTGRES_VERSION
      arguments=("POSTGRES_VERSION=$POSTGRES_VERSION")
      ;;
    mariadb)
      image=pipelinex/mariadb:$MARIADB_VERSION
      arguments=("MARIADB_VERSION=$MARIADB_VERSION")
      ;;
    redis)
      image=pipelinex/redis:$REDIS_VERSION
      arguments=("REDIS_VERSION=$REDIS_VERSION")
      ;;
    *) die "no image is called '$1'; there are: ${all_images[*]}" ;;
  esac
  inputs+=("runner-images/$folder")
}

# content_of NAME: the hash of all that goes into an image; of `describe`, it needs and leaves the variables.
content_of() {
  local tool sources=()
  describe "$1"
  for tool in "${tools[@]}"; do sources+=("$tool=$(tool_source "$tool")"); done
  content "BASE=$public_base" "${arguments[@]}" "${sources[@]}" -- "${inputs[@]}"
}

# content ARG=VALUE... -- PATH...: the hash of words and of files, whatever order the file system has them in.
content() {
  local words=()
  while [ "$1" != -- ]; do words+=("$1"); shift; done; shift
  { printf '%s\n' "${words[@]}"; (cd "$root" && find "$@" -type f ! -path '*/target/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum); } |
    sha256sum | cut -c1-16
}
