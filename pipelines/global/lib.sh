# What all stage scripts share; they source it.
#
# It frames the log with [PIPELINE] lines and, however the script ends, writes $REPORTS_DIR/<stage>/result.json.
# That file adds detail only: the verdict is the exit code, which the worker reads from the engine.
# shellcheck shell=bash

: "${APP_DIR:?the worker sets it}" "${PIPELINES_DIR:?the worker sets it}" "${REPORTS_DIR:?the worker sets it}" "${STAGE:?the worker sets it}"

stage_reports="$REPORTS_DIR/${STAGE,,}"
unset stage_message stage_status

now_ms() { echo $(( ${EPOCHREALTIME//[!0-9]/} / 1000 )); }

json_string() { # TEXT, as the inside of a JSON string
  local text
  text=$(printf '%s' "$1" | tr -d '\000-\010\013-\037' | tr '\t\n' '  ')
  text=${text//\\/\\\\}
  printf '%s' "${text//\"/\\\"}"
}

begin_stage() {
  stage_started=$(now_ms)
  mkdir -p "$stage_reports"
  trap 'end_stage $?' EXIT
  echo "[PIPELINE] START $STAGE"
}

end_stage() { # EXIT_CODE
  local status=${stage_status:-SUCCESS}
  [ "$1" -eq 0 ] || status=FAILED
  : "${stage_message="exit code $1"}"
  printf '{"stage":"%s","status":"%s","duration_ms":%d,"message":"%s"}\n' \
    "$STAGE" "$status" $(($(now_ms) - stage_started)) "$(json_string "$stage_message")" >"$stage_reports/result.json.new"
  mv "$stage_reports/result.json.new" "$stage_reports/result.json"
  echo "[PIPELINE] $STAGE: $status${stage_message:+: $stage_message}"
  echo "[PIPELINE] END $STAGE"
}

# use_caches: BUILD begins with what an earlier job of the project fetched. It grows with each version that nobody wants any more, so
# that from 1,500 MiB on it begins anew.
use_caches() {
  local mib
  mib=$(du -sm "${CACHE_DIR:?the worker sets it}" 2>/dev/null | cut -f1)
  [ "${mib:-0}" -lt 1500 ] || { echo "the cache has $mib MiB: it begins anew"; chmod -R u+w "$CACHE_DIR"; find "$CACHE_DIR" -mindepth 1 -delete; }
}

# finish CODE [MESSAGE]: the only way a script ends on purpose. 2 means that the tool broke, not the project. Without a message
# what the worker finds in the reports is all that is said.
finish() { stage_message=${2:-}; exit "$1"; }

# not_applicable MESSAGE: the project has nothing for this stage to do, which is no failure.
not_applicable() { stage_status=SKIPPED; finish 0 "$1"; }
