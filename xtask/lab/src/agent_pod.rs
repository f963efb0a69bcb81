//! The pod of an agent, as far as `kubectl podmirror` looks at it.

use serde_json::{Value, json};

/// The object of the pod of the `number`th agent, on this node and with its admin server at this address and this socket.
#[must_use]
pub fn agent_pod(number: usize, [node, address, socket]: &[String; 3]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": "podmirror",
            "name": format!("podmirror-{number}"),
            "labels": {
                "app.kubernetes.io/name": "podmirror",
                "app.kubernetes.io/component": "agent",
            },
        },
        "spec": {
            "nodeName": node,
            "containers": [{
                "name": "agent",
                "args": ["agent", format!("--admin-address={address}"), "--admin-socket", socket],
            }],
        },
        "status": {
            "phase": "Running",
            "containerStatuses": [{
                "name": "agent", "ready": true, "restartCount": 0, "image": "", "imageID": "",
            }],
        },
    })
}
