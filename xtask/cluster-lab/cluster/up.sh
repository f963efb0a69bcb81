#!/bin/bash
# A real cluster of two nodes on this machine, each in namespaces of its own; see CONTRIBUTING.md.
#
#   up.sh FOLDER      starts it; FOLDER/kubeconfig is the administrator's. FOLDER/bin has what build.sh built.
#   up.sh FOLDER down ends it; nothing stays but FOLDER.
#
#   10.99.0.1 API server, etcd, controllers, scheduler, DNS      10.99.0.254 this machine
#   10.99.0.11 node-1, pods 10.98.1.0/24      10.99.0.12 node-2, pods 10.98.2.0/24      services 10.97.0.0/16
set -euo pipefail
folder=$(realpath -m "${1:?where}")
here=$(dirname "$(realpath "$0")")
name=pmkube
nodes="1 2"

down() {
    # The first process of a node's PID namespace takes all its pods with it.
    for file in "$folder"/run/*.pid; do
        [ -e "$file" ] && kill -KILL "$(cat "$file")" 2>/dev/null
        rm -f "$file"
    done
    sleep 1
    for netns in $name-1 $name-2 $name; do ip netns delete $netns 2>/dev/null; done
    ip link delete $name 2>/dev/null
    for node in $nodes; do
        find /sys/fs/cgroup/ -depth -type d -path "*/$name-$node*" -exec rmdir {} + 2>/dev/null
        # Mounts were in the node's own namespace.
        rm -rf "$folder/node-$node"
    done
    rm -rf "$folder/etcd" "$folder/run"
    true
}

if [ "${2:-}" = down ]; then set +e; down; exit 0; fi
(set +e; down)

for program in etcd containerd runc conntrack socat iptables openssl; do
    command -v $program >/dev/null || {
        apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends \
            etcd-server containerd runc containernetworking-plugins conntrack socat iptables openssl
        break
    }
done
mkdir -p "$folder"/{pki,run,log}
bin=$folder/bin

# ------------------------------------------------------------------ network
sysctl -q net.ipv4.ip_forward=1
ip netns add $name
in="nsenter --net=/run/netns/$name"
$in sysctl -q net.ipv4.ip_forward=1
$in ip link set lo up
$in ip link add bridge0 type bridge
$in ip link set bridge0 up
$in ip address add 10.99.0.1/24 dev bridge0
ip link add $name type veth peer name host netns $name
ip address add 10.99.0.254/24 dev $name
ip link set $name up
$in ip link set host master bridge0 up
for node in $nodes; do
    ip netns add $name-$node
    ip -n $name-$node link set lo up
    ip link add eth0 netns $name-$node type veth peer name node-$node netns $name
    $in ip link set node-$node master bridge0 up
    ip -n $name-$node address add 10.99.0.1$node/24 dev eth0
    ip -n $name-$node link set eth0 up
    ip -n $name-$node route add default via 10.99.0.1
    nsenter --net=/run/netns/$name-$node sysctl -q net.ipv4.ip_forward=1 net.ipv4.conf.all.route_localnet=1
    $in ip route add 10.98.$node.0/24 via 10.99.0.1$node
    for other in $nodes; do
        [ $other = $node ] || ip -n $name-$node route add 10.98.$other.0/24 via 10.99.0.1$other
    done
done

# ------------------------------------------------------------------ certificates
pki=$folder/pki
cd "$pki"
if [ ! -e ca.crt ]; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=ca -keyout ca.key -out ca.crt 2>/dev/null
    openssl genrsa -out sa.key 2048 2>/dev/null
fi
certificate() { # name, subject, names
    [ -e "$1.crt" ] && return
    openssl req -newkey rsa:2048 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr" 2>/dev/null
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out "$1.crt" \
        -extfile <(echo "subjectAltName=$3") 2>/dev/null
}
certificate apiserver /CN=kube-apiserver \
    "IP:10.97.0.1,IP:10.99.0.1,IP:127.0.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
certificate admin /O=system:masters/CN=admin DNS:admin
for node in $nodes; do
    certificate node-$node /O=system:nodes/CN=system:node:node-$node "DNS:node-$node,IP:10.99.0.1$node"
done
kubeconfig() { # user
    cat <<END
apiVersion: v1
kind: Config
clusters: [{name: it, cluster: {server: "https://10.99.0.1:6443", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: me, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: it, context: {cluster: it, user: me}}]
current-context: it
END
}
kubeconfig admin >"$folder/kubeconfig"
for node in $nodes; do kubeconfig node-$node >node-$node.conf; done
chmod 600 "$folder/kubeconfig" ./*.conf ./*.key
cd - >/dev/null

# ------------------------------------------------------------------ control plane
start() { # name, command: in the background, its process and its output noted
    local what=$1
    shift
    setsid "$@" >>"$folder/log/$what.log" 2>&1 </dev/null &
    echo $! >"$folder/run/$what.pid"
}
start etcd $in etcd --data-dir "$folder/etcd" --unsafe-no-fsync --listen-client-urls http://127.0.0.1:2379 \
    --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
# Alone, so that it can be killed and come back: the rest waits for it.
cat >"$folder/api.sh" <<END
#!/bin/bash
# Starts the API server: after it was killed, too (kill \$(cat $folder/run/kube-apiserver.pid)).
setsid $in "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --advertise-address=10.99.0.1 \
    --service-cluster-ip-range=10.97.0.0/16 --allow-privileged --authorization-mode=Node,RBAC \
    --client-ca-file="$pki/ca.crt" --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
    --kubelet-client-certificate="$pki/admin.crt" --kubelet-client-key="$pki/admin.key" \
    --kubelet-preferred-address-types=InternalIP --service-account-key-file="$pki/sa.key" \
    --service-account-signing-key-file="$pki/sa.key" --service-account-issuer=https://kubernetes.default.svc \
    --event-ttl=1h >>"$folder/log/kube-apiserver.log" 2>&1 </dev/null &
echo \$! >"$folder/run/kube-apiserver.pid"
END
chmod +x "$folder/api.sh"
"$folder/api.sh"
kubectl="kubectl --kubeconfig $folder/kubeconfig"
for _ in $(seq 120); do $kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 1; done
$kubectl get --raw /readyz >/dev/null
start kube-controller-manager $in "$bin/kube-controller-manager" --kubeconfig="$folder/kubeconfig" \
    --service-account-private-key-file="$pki/sa.key" --root-ca-file="$pki/ca.crt" --use-service-account-credentials \
    --leader-elect=false --node-monitor-grace-period=40s
start kube-scheduler $in "$bin/kube-scheduler" --kubeconfig="$folder/kubeconfig" --leader-elect=false
# This release has EndpointSlices as a beta only.
start slices $in python3 "$here/slices.py" 10.99.0.1 6444 10.99.0.1 "$pki"
$kubectl apply --validate=false -f - <<END
apiVersion: v1
kind: Service
metadata: {name: slices, namespace: kube-system}
spec: {type: ExternalName, externalName: 10.99.0.1, ports: [{port: 6444}]}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.discovery.k8s.io}
spec:
  group: discovery.k8s.io
  version: v1
  service: {name: slices, namespace: kube-system, port: 6444}
  insecureSkipTLSVerify: true
  groupPriorityMinimum: 100
  versionPriority: 1
END
start dns $in python3 "$here/dns.py" 10.99.0.1 "$folder/kubeconfig"

# ------------------------------------------------------------------ nodes
for node in $nodes; do
    at=$folder/node-$node
    mkdir -p "$at"/{kubelet,log,net.d,containerd}
    cat >"$at/net.d/10-lab.conflist" <<END
{"cniVersion": "0.4.0", "name": "lab", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.98.$node.0/24"}]],
            "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "$at/addresses"}}]}
END
    cat >"$at/containerd.toml" <<END
version = 2
root = "$at/containerd/root"
state = "/run/containerd"
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "$at/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "lab.podmirror.test/pause:1"
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$at/net.d"
END
    cat >"$at/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: "$pki/ca.crt"}}
authorization: {mode: Webhook}
tlsCertFile: "$pki/node-$node.crt"
tlsPrivateKeyFile: "$pki/node-$node.key"
clusterDNS: [10.99.0.1]
clusterDomain: cluster.local
resolvConf: ""
cgroupDriver: cgroupfs
cgroupRoot: /$name-$node
cgroupsPerQOS: true
enforceNodeAllocatable: []
failSwapOn: false
protectKernelDefaults: false
evictionHard: {memory.available: "100Mi", nodefs.available: "1%", imagefs.available: "1%", nodefs.inodesFree: "1%"}
imageGCHighThresholdPercent: 100
nodeStatusUpdateFrequency: 5s
END
    cat >"$at/start.sh" <<END
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/lock /var/lib/kubelet /var/log/pods /var/log/containers
mount --bind "$at/kubelet" /var/lib/kubelet
mount --bind "$at/log" /var/log
mount --make-rshared /
containerd --config "$at/containerd.toml" >"$at/containerd.log" 2>&1 &
for i in \$(seq 300); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
for image in "$folder"/images/*.tar; do ctr --namespace k8s.io images import "\$image"; done
"$bin/kube-proxy" --kubeconfig="$folder/kubeconfig" --hostname-override=node-$node --cluster-cidr=10.98.0.0/16 \
    --conntrack-max-per-core=0 --proxy-mode=iptables >"$at/kube-proxy.log" 2>&1 &
exec "$bin/kubelet" --config="$at/kubelet.yaml" --kubeconfig="$pki/node-$node.conf" --hostname-override=node-$node \
    --node-ip=10.99.0.1$node --container-runtime=remote --image-service-endpoint=unix:///run/containerd/containerd.sock \
    --container-runtime-endpoint=unix:///run/containerd/containerd.sock >"$at/kubelet.log" 2>&1
END
    # containerd before 1.7 wants cgroups that are there.
    for controller in cpu cpuacct cpuset memory pids blkio devices freezer systemd unified; do
        [ -d /sys/fs/cgroup/$controller ] && mkdir -p /sys/fs/cgroup/$controller/$name-$node
    done
    if [ -d /sys/fs/cgroup/cpuset/$name-$node ]; then
        for file in cpuset.cpus cpuset.mems; do
            cat /sys/fs/cgroup/cpuset/$file >/sys/fs/cgroup/cpuset/$name-$node/$file
        done
    fi
    # The process of unshare: with --kill-child the node goes with it.
    start node-$node nsenter --net=/run/netns/$name-$node unshare --mount --pid --uts --fork --kill-child --mount-proc \
        bash "$at/start.sh"
done
for node in $nodes; do
    for _ in $(seq 120); do $kubectl get node node-$node >/dev/null 2>&1 && break; sleep 1; done
    $kubectl wait --for=condition=Ready node/node-$node --timeout=120s
done
echo "export KUBECONFIG=$folder/kubeconfig"
