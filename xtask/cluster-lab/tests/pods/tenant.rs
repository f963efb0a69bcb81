//! A tenant who is root in his pod, with the node's tools at hand, and wants another's requests.

use cluster_lab::{POD_IMAGE, RunningPod};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::{
    objects::VIRTUAL_SERVICES,
    scene::{Scene, ends_of, web},
};

/// The tenant's namespace.
const TENANT: &str = "evil";

/// Gives the pod an `eth0` with the numbers of another pod's: its own one, and that of its other end, which is
/// in a network that the pod makes for itself. The pod's address moves to it.
const FORGE: &str = r#"
unshare --net sleep 86400 & behind=$!
until test "$(readlink /proc/$behind/ns/net)" != "$(readlink /proc/self/ns/net)"; do sleep 0.01; done
address=$(ip -o -4 address show dev eth0 | while read -r _ _ _ found _; do echo "$found"; done)
ip link delete eth0
ip link add eth0 index "$INSIDE" type veth peer name far index "$OUTSIDE" netns $behind
ip address add "$address" dev eth0
ip link set eth0 up
echo forged: $(ip -o link show eth0)
wait
"#;

/// The tenant's pods: `mine`, whose interface claims to be the victim's, and `sink`, where he wants copies.
pub(crate) struct Tenant {
    mine: RunningPod,
    sink: RunningPod,
}

impl Tenant {
    /// Runs the pods, and says by documents that the requests of `mine` are mirrored to `sink`.
    pub(crate) fn forging(scene: &mut Scene) -> Self {
        let (inside, outside) = ends_of(scene.node(), &scene.v1);
        let sink = scene.run(of_tenant(web("sink")));
        let mine = scene.run(mine(inside, outside));
        scene.wait_for_output(&mine, "forge", "forged: ");
        for pod in [&mine, &sink] {
            scene.serve(TENANT, pod.name(), pod.name(), &[pod]);
        }
        scene.api.apply(
            VIRTUAL_SERVICES,
            json!({
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "metadata": {"name": "steal", "namespace": TENANT},
                "spec": {
                    "hosts": ["mine"],
                    "http": [{
                        "route": [{"destination": {"host": "mine"}}],
                        "mirror": {"host": "sink"},
                    }],
                },
            }),
        );
        Self { mine, sink }
    }

    /// Waits until the agent has said that it does not attach, and why.
    pub(crate) fn wait_until_refused(&self, scene: &Scene, agent: &RunningPod) {
        let said = "evil/mine: not attached: VirtualService evil/steal http[0]: the other end of `eth0` is not on the host";
        scene.wait_for_log(agent, said);
    }

    /// Neither was anything mirrored for it, nor has it got a copy.
    pub(crate) fn assert_empty_handed(&self, scene: &Scene, agent: &RunningPod) {
        let name = self.mine.name();
        let log = scene.node().logs(agent, "agent");
        assert!(
            !log.contains(&format!("{TENANT}/{name}: attached to ")),
            "{log}"
        );
        assert_eq!(scene.node().logs(&self.sink, "web"), "");
    }
}

fn of_tenant(mut pod: Pod) -> Pod {
    pod.metadata.namespace = Some(TENANT.to_owned());
    pod
}

/// A pod with the node's programs, which may configure its own network.
fn mine(inside: u32, outside: u32) -> Pod {
    let folders = ["usr", "lib", "lib64"];
    let volumes =
        folders.map(|name| json!({"name": name, "hostPath": {"path": format!("/{name}")}}));
    let mounts = folders
        .map(|name| json!({"name": name, "mountPath": format!("/{name}"), "readOnly": true}));
    let variables = [
        ("PATH", "/usr/sbin:/usr/bin".to_owned()),
        ("INSIDE", inside.to_string()),
        ("OUTSIDE", outside.to_string()),
    ];
    let env: Vec<Value> = variables
        .into_iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "mine", "namespace": TENANT, "labels": {"version": "mine"}},
        "spec": {
            "containers": [{
                "name": "forge",
                "image": POD_IMAGE,
                "command": ["/usr/bin/sh", "-euc", FORGE],
                "env": env,
                "volumeMounts": mounts,
                "securityContext": {"capabilities": {"add": ["NET_ADMIN", "SYS_ADMIN"]}},
            }],
            "volumes": volumes,
        },
    });
    serde_json::from_value(pod).unwrap()
}
