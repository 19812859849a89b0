#!/bin/sh
# Stands for the process that clones: does what the repository in its order is named after.
[ "$1" = git-clone ] || exit 64
read -r order
folder=${order#*\"scratch\":\"}
folder=${folder%%\"*}
case $order in
  *team/clones\"*) echo '{"Ok":{"commit":"c","branch":"b","received":1,"files":2,"bytes":3,"warnings":[]}}' ;;
  *team/refuses\"*) echo '{"Err":{"refused":{"rule":"git-empty","path":null,"message":"m","hint":"h"}}}' ;;
  *team/babbles\"*) echo 'cloned!' ;;
  *team/fails\"*) exit 3 ;;
  *team/says-and-fails\"*)
    echo '{"Ok":{"commit":"c","branch":"b","received":1,"files":2,"bytes":3,"warnings":[]}}'
    exit 3
    ;;
  *team/crashes\"*) kill -SEGV $$ ;;
  *team/has-no-space\"*) kill -BUS $$ ;;
  *team/aborts\"*) kill -ABRT $$ ;;
  *team/floods\"*) yes ;;
  *team/hangs\"*)
    sleep 1000 &
    echo "$$ $!" >"$folder/pids"
    wait
    ;;
  *team/fills\"*)
    head -c 3000000 /dev/zero >"$folder/zeros"
    sleep 1000
    ;;
esac
