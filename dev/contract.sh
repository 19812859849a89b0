#!/usr/bin/env bash
# `make contract`: a server of this checkout against its own OpenAPI document, by two programs that nobody here wrote: the document by
# openapi-spec-validator, the server by schemathesis, which makes up requests from the document and judges what comes back.
#
#   CASES=200 SEED=1 dev/contract.sh   requests a call at most, and where its chance begins
#
# Left out: the streams, which end with their job, and the two checks that take what fits a schema for what must be accepted: a file
# that is no ZIP fits one as well. A Git host that does not answer is no fault of the server: 502 and 504.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

work=$(mktemp -d)
trap '[ -z "${server:-}" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
tools=${PIPELINEX_CACHE:-$HOME/.cache/pipelinex}/contract
[ -x "$tools/bin/schemathesis" ] || { python3 -m venv "$tools" && "$tools/bin/pip" install -q schemathesis==4.32.5 openapi-spec-validator==0.9.0; }

cargo build --quiet --package pipelinex
"${CARGO_TARGET_DIR:-target}/debug/pipelinex" backend --workspaces "$work/workspaces" --listen 127.0.0.1:0 --redis-url redis://127.0.0.1:1 >"$work/log" 2>&1 &
server=$!
address=$(address_in "$work/log")
curl -fsS "$address/api/openapi.json" -o "$work/openapi.json"
"$tools/bin/openapi-spec-validator" "$work/openapi.json"
# A job of the real kind, for what is asked of jobs; one whose id is made up is asked for by the checks themselves.
(cd examples/static-site && python3 -c 'import shutil, sys; shutil.make_archive(sys.argv[1], "zip", ".")' "$work/project")
job=$(curl -fsS "$address/api/jobs/upload" -F "project_zip=@$work/project.zip" -F 'metadata={};type=application/json' | sed 's/.*"job_id":"\([^"]*\)".*/\1/')
cat >"$work/schemathesis.toml" <<EOF
parameters = { "path.id" = "$job", "path.stage" = "package" }
[checks.not_a_server_error]
expected-statuses = [502, 504, "2xx", "4xx"]
EOF
cd "$work" # it keeps what it found beside it
"$tools/bin/schemathesis" --config-file "$work/schemathesis.toml" run "$address/api/openapi.json" --max-examples "${CASES:-200}" --seed "${SEED:-1}" \
  --exclude-path-regex 'stream|events' --exclude-checks positive_data_acceptance,negative_data_rejection
