# How this stack gets and calls Gradle; the stage scripts source it.
#
# The Gradle that the project's wrapper names is fetched by BUILD, as the wrapper would: but not by gradle-wrapper.jar, which many
# projects do not keep. What it names by digest must have that digest.
# shellcheck shell=bash disable=SC2034

: "${CACHE_DIR:?the worker sets it}"
export GRADLE_USER_HOME=$CACHE_DIR/gradle-home
wrapper=gradle/wrapper/gradle-wrapper.properties
distributions=$CACHE_DIR/gradle-distributions
# For a project without a wrapper; its digest is the one that gradle.org/release-checksums names.
usual_url=https://services.gradle.org/distributions/gradle-8.14.3-bin.zip
usual_sha256=bd71102213493060956ec229d946beee57158dbd89d0e62b91bca0fa2c5f3531
made_in=build/libs

# of_wrapper KEY: its value there. A colon has a backslash before it in such files.
of_wrapper() { [ ! -e "$wrapper" ] || sed -n "s/^[[:space:]]*$1[[:space:]]*[=:][[:space:]]*//p" "$wrapper" | tr -d '\r\\' | sed 's/[[:space:]]*$//' | tail -n 1; }

# name_distribution: sets `url` and `sha256` to what is wanted, and `gradle_home` to where it lies.
name_distribution() {
  url=$(of_wrapper distributionUrl) sha256=$(of_wrapper distributionSha256Sum)
  [ -n "$url" ] || { url=$usual_url sha256=$usual_sha256; }
  gradle_home=$distributions/$(sha256sum <<<"$url" | cut -c -16)
}

# install_gradle: the distribution, where it is not there yet.
install_gradle() {
  local from=$url aside=$gradle_home.part
  [ ! -d "$gradle_home" ] || return 0
  # An operator without the one source names another: the file there has the same name.
  case $from in https://services.gradle.org/distributions/*) from=${PIPELINEX_GRADLE_DISTRIBUTIONS:-https://services.gradle.org/distributions}/${url##*/} ;; esac
  case $from in http://* | https://*) ;; *) finish 1 "$wrapper names \`$url\`, which is no address that can be fetched" ;; esac
  rm -rf "$aside"; mkdir -p "$aside"
  echo "Gradle is fetched from $from"
  curl --fail --location --silent --show-error --retry 3 --output "$aside/gradle.zip" "$from" ||
    finish 1 "Gradle could not be fetched from $from, which $([ -e "$wrapper" ] && echo "$wrapper names" || echo "is taken as there is no $wrapper"); \
an operator without a way there names another source (--stack-file gradle/env=FILE)"
  if [ -n "$sha256" ] && ! sha256sum --check --status <<<"$sha256  $aside/gradle.zip"; then
    finish 1 "what $from sent is not what was named: its SHA-256 is $(sha256sum "$aside/gradle.zip" | cut -d ' ' -f 1), and not $sha256"
  fi
  (cd "$aside" && jar -xf gradle.zip && rm gradle.zip) || finish 1 "what $from sent is no archive"
  mv "$aside" "$gradle_home"
}

# gradle ARGUMENT...: without a process that stays, without what needs a network or a terminal, and with the tasks of init.gradle. A
# short run gains nothing from the JVM's second compiler.
gradle() {
  local homes=("$gradle_home"/*/bin/gradle) options=(--no-daemon --console=plain --init-script "$PIPELINES_DIR/init.gradle")
  [ -e "${homes[0]}" ] || finish 1 "there is no Gradle: BUILD fetches it"
  [ -z "${PIPELINEX_GRADLE_INIT:-}" ] || options+=(--init-script "$PIPELINEX_GRADLE_INIT")
  mkdir -p "$GRADLE_USER_HOME"
  [ -z "${PIPELINEX_GRADLE_PROPERTIES:-}" ] || cp "$PIPELINEX_GRADLE_PROPERTIES" "$GRADLE_USER_HOME/gradle.properties"
  # Tasks of ours look at a project while they run, which the configuration cache forbids; a JDK is what the job has.
  options+=(-Dorg.gradle.configuration-cache=false -Dorg.gradle.unsafe.configuration-cache=false -Dorg.gradle.vfs.watch=false
    -Porg.gradle.java.installations.auto-download=false)
  JAVA_OPTS="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC ${JAVA_OPTS:-}" sh "${homes[0]}" "${options[@]}" "$@"
}

cd "$APP_DIR" || exit 1
name_distribution
