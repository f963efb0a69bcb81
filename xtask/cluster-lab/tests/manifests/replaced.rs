//! What a component sets, where another one, or a patch of a user's own, replaces all flags.

use cluster_lab::manifests::{kustomize_own, of_kind};
use serde_json::{Value, json};

use crate::{chart, sorted};

const HEAD: &str = "
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: podmirror
labels:
  - pairs:
      app.kubernetes.io/name: podmirror
      app.kubernetes.io/component: agent
resources:
  - DEPLOY/base
";

/// As deploy/README.md recommends it.
const PATCH: &str = "
patches:
  - target: {kind: DaemonSet, name: podmirror}
    patch: |
      - op: replace
        path: /spec/template/spec/containers/0/args
        value: [agent, --pod-selector=app=shop, --port=8080, --target=http://shop-next]
";

fn own(components: &[&str], rest: &str) -> Vec<Value> {
    let lines = components
        .iter()
        .map(|it| format!("  - DEPLOY/components/{it}\n"));
    let lines: String = lines.collect();
    kustomize_own(&format!("{HEAD}components:\n{lines}{rest}")).unwrap()
}

/// Without the door two agents of a node would mirror at once; without the other flag no gated pod would be ready.
#[test]
fn whoever_replaces_the_flags_leaves_the_door_and_the_gates() {
    let both = ["hand-over", "readiness-gate"];
    for (components, rest, flag) in [
        (&both[..], "", "--pod-selector=app=web,version=v1"),
        (&both, PATCH, "--pod-selector=app=shop"),
        (
            &["hand-over", "readiness-gate", "traffic-mirrors"],
            "",
            "--watch-config",
        ),
        (
            &["traffic-mirrors", "hand-over", "readiness-gate"],
            "",
            "--watch-config",
        ),
        (
            &["hand-over", "istio", "readiness-gate"],
            PATCH,
            "--pod-selector=app=shop",
        ),
    ] {
        let objects = own(components, rest);
        let spec = &of_kind(&objects, "DaemonSet").unwrap()["spec"];
        let update = json!({"maxSurge": "10%", "maxUnavailable": 0});
        assert_eq!(spec["updateStrategy"]["rollingUpdate"], update);
        let agent = &spec["template"]["spec"]["containers"][0];
        let flags = agent["args"].as_array().unwrap();
        assert!(flags.contains(&json!(flag)), "{components:?}: {flags:?}");
        let set = agent["env"].as_array().unwrap();
        for (name, value) in [
            ("PODMIRROR_HAND_OVER", "/run/podmirror/hand-over.sock"),
            ("PODMIRROR_READINESS_GATE", "true"),
        ] {
            let one = json!({"name": name, "value": value});
            assert!(set.contains(&one), "{components:?}: {set:?}");
        }
    }
}

#[test]
fn the_chart_puts_them_together_as_well() {
    let values = [
        "handOver=true",
        "readinessGate=true",
        "watchConfig.trafficMirrors=true",
    ];
    let components = ["hand-over", "readiness-gate", "traffic-mirrors"];
    assert_eq!(sorted(own(&components, "")), sorted(chart(&values)));
}
