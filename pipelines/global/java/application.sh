# Which of the files that PACKAGE made is the application, and how PACKAGE hands it on: package.sh and start.sh of the stacks that
# Maven and Gradle build source this. `made_in` is the folder of a module in which its jars are made.
#
# Jars of one job alone count: what BUILD left is removed before PACKAGE makes its own, and what it made is written down by
# name and digest, so that SMOKE-TEST and DAST start that file and no other.
# shellcheck shell=bash disable=SC2034

# Below the project: one line `SHA256  PATH` for each application.
application_record=.pipelinex/applications.sha256
made_in=${made_in:-target}

# packaged: the jars and wars of all modules, one a line, without those that are for other programs to read.
packaged() {
  find . -name .git -prune -o -path "*/$made_in/*" -path "*/$made_in/*/*" -prune -o -type f -path "*/$made_in/*" \
    \( -name '*.jar' -o -name '*.war' \) ! -name '*-sources.jar' ! -name '*-javadoc.jar' ! -name '*-plain.jar' -print | sed 's|^\./||' | LC_ALL=C sort
}

# main_class FILE: what its manifest starts; nothing where it has none, or is no archive. A long name goes on in a line that
# begins with a space.
main_class() {
  local folder
  folder=$(mktemp -d)
  (cd "$folder" && jar -xf "$1" META-INF/MANIFEST.MF) 2>/dev/null || true
  if [ -f "$folder/META-INF/MANIFEST.MF" ]; then
    tr -d '\r' <"$folder/META-INF/MANIFEST.MF" | sed -e ':a' -e '$!N;s/\n //;ta' -e 'P;D' | sed -n 's/^Main-Class: *//p' | head -n 1
  fi
  rm -rf "$folder"
}

# applications: those of them that start by themselves. One that Spring Boot repackaged has all it needs inside; where there is
# none, one whose manifest names a class counts, as other plugins make it.
applications() {
  local file main plain=() whole=()
  while read -r file; do
    main=$(main_class "$PWD/$file")
    case $main in
      "") ;;
      org.springframework.boot.loader.*) whole+=("$file") ;;
      *) plain+=("$file") ;;
    esac
  done < <(packaged)
  [ ${#whole[@]} -gt 0 ] || whole=(${plain[@]+"${plain[@]}"})
  [ ${#whole[@]} = 0 ] || printf '%s\n' "${whole[@]}"
}

# named NAME: of the files on the standard input those that a name means: a module by its path or its last part, or a file by its
# own; all where none is given.
named() {
  local file module
  while read -r file; do
    module=.
    [ "${file#"$made_in"/}" != "$file" ] || module=${file%/"$made_in"/*}
    case ${1%/} in "" | "$module" | "${module##*/}" | "$file" | "${file##*/}") echo "$file" ;; esac
  done
}

# listed: the lines of the standard input as words of a sentence.
listed() { paste -sd , - | sed 's/,/, /g'; }

# write_down FILES: as those that may be started, each with its digest.
write_down() {
  mkdir -p "$(dirname "$application_record")"
  xargs -d '\n' sha256sum -- <<<"$1" >"$application_record"
  cat "$application_record"
}

# choose_application: sets `application` to the file that is started, as seen from $APP_DIR, which becomes the current folder. Only
# a file that PACKAGE wrote down counts, and only as it was.
choose_application() {
  local all chosen
  cd "$APP_DIR" || exit 1
  [ -s "$application_record" ] || no_application "PACKAGE made nothing that can be started: it wrote no $application_record"
  all=$(sed 's/^[0-9a-f]*  //' "$application_record")
  mapfile -t chosen < <(named "${APPLICATION:-}" <<<"$all")
  case ${#chosen[@]} in
    0) no_application "\`$APPLICATION\` is no application of this build; there are: $(listed <<<"$all")" ;;
    1) ;;
    *) no_application "there are several applications: $(printf '%s\n' "${chosen[@]}" | listed); name the module or the file that is to be \
started with --application (\`application\` in a request)" ;;
  esac
  application=${chosen[0]}
  grep -F "  $application" "$application_record" | sha256sum --check --status - \
    || no_application "$application is not the file that PACKAGE wrote down in $application_record"
}

no_application() { echo "$*" >&2; exit 1; }
