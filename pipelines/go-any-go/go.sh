# How this stack calls go; the stage scripts source it.
# shellcheck shell=bash disable=SC2034 # the scripts read what is set here

# What go keeps goes into the cache of the job's tree, and so do the programs of tests: /tmp may not execute.
: "${CACHE_DIR:?the worker sets it}"
export GOPATH="$CACHE_DIR/go" GOMODCACHE="$CACHE_DIR/go/mod" GOCACHE="$CACHE_DIR/go-build" GOTMPDIR="$CACHE_DIR"
export GOTOOLCHAIN=auto GOFLAGS="-buildvcs=false${GOFLAGS:+ $GOFLAGS}"

# offline: nothing is asked for any more, neither modules nor checksums nor another Go. One that BUILD fetched is called by its path: go
# would ask the checksum database for it once more.
offline() {
  export GOPROXY=off GOSUMDB=off
  [ -s "$CACHE_DIR/goroot" ] || return 0
  PATH="$(cat "$CACHE_DIR/goroot")/bin:$PATH" GOTOOLCHAIN=local
  export PATH
}

# modules: the folder of each module, of a workspace all of them.
modules() {
  if [ -e go.work ]; then go work edit -json | jq -r '.Use[].DiskPath'; else echo .; fi
}

# programs: the folder of each package `main` that is no example, test or tool, the one at the top and those of cmd/ first.
programs() {
  local module
  while read -r module; do
    (cd "$module" && go list -e -f '{{if eq .Name "main"}}{{.Dir}}{{end}}' ./...)
  done < <(modules) | sed "s|^$PWD|.|" | { grep -vE '/(examples?|_?tests?|testdata|tools?|internal|scripts?|hack|docs?|benchmarks?)(/|$)' || true; } |
    awk '{ print ($0 == "." ? 0 : $0 ~ "/cmd/" ? 1 : 2), gsub("/", "/"), $0 }' | sort -s -k1,1n -k2,2n | cut -d ' ' -f 3-
}

# program: the one that is started: the only one, or the one at the top, or the first of cmd/ that is called as the module or
# like a server; nothing where none can be told from the others.
program() {
  local all name
  all=$(programs)
  [ -n "$all" ] || return 0
  if [ "$(wc -l <<<"$all")" = 1 ] || [ "$(head -n 1 <<<"$all")" = . ]; then head -n 1 <<<"$all"; return; fi
  name=$(go list -m 2>/dev/null | head -n 1 | sed 's|/v[0-9]*$||; s|.*/||')
  for name in "$name" server api web app http; do
    if grep -E "(^|/)$name\$" <<<"$all" | head -n 1 | grep .; then return; fi
  done
}
