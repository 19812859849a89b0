# shellcheck shell=sh disable=SC2317
# The first program of a step's container, and of the application beside a step: it starts the script, hears TERM for
# everything that runs in the container, and says how all of it ended.
#
#   launch.sh step SCRIPT AFTER_SCRIPT [SECRETS]      launch.sh application COMMAND
#
# It is a shell script and no program of ours: the images are the operator's, the engine's host may have another
# architecture than the worker, and a script needs a shell anyway. It runs in bash, dash and busybox, needs neither /proc nor
# a `kill` in the image, and makes do without `setsid` and `sleep`.
#
# NEVER run it outside of a container: `kill -TERM -1` is for every process that it may signal.
#
# A shell hears TERM only once its foreground command has ended, so somebody else has to hear it. The engine's init signals
# our process group (TINI_KILL_PROCESS_GROUP), in which the guard waits in the background: it passes TERM on to all processes
# of the container, also those in other sessions. The script itself runs in the foreground, because a shell lets background
# commands ignore INT, and in a session of its own, so that `kill 0` in a script does not reach us.

# One stream, so that the order of standard output and standard error is kept.
exec 2>&1
unset TINI_KILL_PROCESS_GROUP
# For images and definitions that say nothing else.
export LANG="${LANG:-C.UTF-8}" TZ="${TZ:-UTC}" TERM="${TERM:-dumb}"

# Waits for as many tenths of a second as there are, as long as the command says so.
while_left() { # TENTHS COMMAND...
  left=$1; shift
  while [ "$left" -gt 0 ] && "$@"; do
    if sleep 0.1; then left=$((left - 1)); elif sleep 1; then left=$((left - 10)); else return; fi
  done
}

# Passes TERM on. A script that does not end of it keeps the launcher from hearing it as well: after ten seconds all of them go.
guard() {
  heard=
  trap 'heard=yes; kill -TERM -1' TERM
  trap '[ -n "$heard" ] || kill -TERM -1; exit 0' USR1
  while [ -z "$heard" ]; do
    sleep 2147483647 &
    wait $! || [ -n "$heard" ] || exit 1
  done
  while_left 100 true
  kill -KILL -1
}

# Told to end: waits ten seconds for all others, then runs what comes afterwards; whatever the script says ends with 143.
told() {
  trap : TERM
  {
    # The guard may not have heard it: another init signals us alone, and a script can.
    kill -USR1 "$guard"
    wait "$guard" || kill -TERM -1
    while_left 100 kill -0 -1
    kill -KILL -1
  } 2>/dev/null
  afterwards canceled
  exit 143
}

# The commands of after_script: once, in a shell of their own, for at most a minute.
afterwards() { # STATUS
  [ -n "$begun" ] && [ -e "$after_script" ] || return 0
  begun=
  export CI_JOB_STATUS="$1"
  run "$after_script" &
  after=$!
  while_left 600 kill -0 "$after" 2>/dev/null
  if kill -0 "$after" 2>/dev/null && [ "$left" -le 0 ]; then
    kill -KILL -1 2>/dev/null
    echo "after_script was ended: it ran longer than the 60 seconds it may; that does not change how the step ended"
    return
  fi
  wait "$after" || echo "after_script ended with code $?; that does not change how the step ended"
}

# The shell's own words about a script that a signal ended are nobody's log.
run() { { $session "$shell" "$@" 2>&1; } 2>/dev/null; }

# Whether the kernel has killed a process of this container for want of memory (cgroup 2, or 1).
short_of_memory() {
  for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    [ ! -r "$file" ] || while read -r name count; do
      [ "$name" != oom_kill ] || [ "$count" = 0 ] || return 0
    done <"$file"
  done
  return 1
}

# What nobody may read comes on standard input, which is in no record of an engine: lines of a script after a `+`, between `begin` and
# `end`. A sender that died is followed by another, who begins again. The file is in memory.
receive() {
  begun=
  while IFS= read -r line; do
    case $line in
      begin) begun=yes && : >"$1" ;;
      +*) printf '%s\n' "${line#+}" >>"$1" ;;
      end) [ -z "$begun" ] || return 0 ;;
    esac
  done
  return 1
}

shell=$(command -v bash || command -v sh)
session=$(command -v setsid)
guard </dev/null >/dev/null 2>&1 &
guard=$!
trap told TERM

begun="" after_script=${3:-}
case $1 in
  application)
    cd "$APP_DIR" || exit
    run -c "$2"
    code=$?
    ;;
  step)
    if [ -n "${4:-}" ]; then
      receive "$4" || { echo "the secrets of this step did not come"; exit 1; }
      # shellcheck disable=SC1090
      . "$4"
      : >"$4"
      exec </dev/null
    fi
    begun=yes
    run "$2"
    code=$?
    [ "$code" = 0 ] && status=success || status=failed
    afterwards "$status"
    ;;
esac
# The engine hears of a process that was killed for memory from a watcher that ends with the container, and one in
# twenty-five was missed: so the watcher is given a moment.
! short_of_memory || sleep 0.5
exit "$code"
