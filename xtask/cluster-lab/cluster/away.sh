#!/bin/bash
# Takes something of a cluster that up.sh made away, and brings it back; see CONTRIBUTING.md.
#
#   away.sh FOLDER kube-proxy stop|start          kube-proxy of all nodes: killed, and started again
#   away.sh FOLDER kubelet stop|start NODE        a node's kubelet: halted, so that its lease runs out, and gone on with
set -euo pipefail
folder=$(realpath "${1:?where}")
what=${2:?what}
how=${3:?stop or start}

# The node's first process is its kubelet, in namespaces of its own.
kubelet() { pgrep --parent "$(cat "$folder/run/$1.pid")"; }

case $what-$how in
kubelet-stop) kill -STOP "$(kubelet "${4:?which node}")" ;;
kubelet-start) kill -CONT "$(kubelet "${4:?which node}")" ;;
kube-proxy-stop)
    for node in node-1 node-2; do
        process=$(pgrep --full "^$folder/bin/kube-proxy .*hostname-override=$node ")
        cp "/proc/$process/cmdline" "$folder/run/kube-proxy-$node"
        kill -KILL "$process"
    done
    ;;
kube-proxy-start)
    for node in node-1 node-2; do
        mapfile -d '' command <"$folder/run/kube-proxy-$node"
        setsid nsenter --target "$(kubelet "$node")" --mount --pid --net --uts "${command[@]}" \
            >>"$folder/$node/kube-proxy.log" 2>&1 </dev/null &
    done
    ;;
*) echo "neither kube-proxy nor kubelet, stop nor start" >&2; exit 2 ;;
esac
