//! The documents that a rollout's controller writes, step by step.

use anyhow::Result;
use serde_json::{Value, json};

use super::{definitions, scene::Scene};

/// A step of a rollout: its name, the share of v1's requests that is mirrored, and the VirtualService's routes.
type Step = (&'static str, u32, Value);

/// Argo Rollouts' `setMirrorRoute` inserts a route of its own before the others, and removes it again; Flagger
/// sets `mirror` on the one route that there is.
fn steps() -> [Step; 6] {
    let routes = json!([
        {"destination": {"host": "web-v1"}, "weight": 100},
        {"destination": {"host": "web-v2"}, "weight": 0},
    ]);
    let primary = json!({"name": "primary", "route": routes});
    let mirroring = |percent: u32| {
        json!({
            "name": "mirror-route",
            "match": [{"method": {"exact": "GET"}, "uri": {"prefix": "/act-"}}],
            "route": [{"destination": {"host": "web-v1"}, "weight": 100}],
            "mirror": {"host": "web-v2"},
            "mirrorPercentage": {"value": percent},
        })
    };
    let flagger = json!({
        "name": "primary",
        "route": routes,
        "mirror": {"host": "web-v2"},
        "mirrorPercentage": {"value": 100},
    });
    [
        ("argo-before", 0, json!([primary])),
        ("argo-mirrors", 100, json!([mirroring(100), primary])),
        ("argo-half", 50, json!([mirroring(50), primary])),
        ("argo-ends", 0, json!([primary])),
        ("flagger-mirrors", 100, json!([flagger])),
        ("flagger-ends", 0, json!([primary])),
    ]
}

pub(super) async fn play(scene: &mut Scene<'_>) -> Result<()> {
    let (cluster, name) = (scene.cluster, scene.name);
    cluster.make(&definitions::virtual_services(name)).await?;
    let service = |routes: &Value| {
        json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "web", "namespace": name},
            "spec": {"hosts": ["web-v1"], "http": routes},
        })
    };
    for (number, (step, percent, routes)) in steps().into_iter().enumerate() {
        let service = service(&routes);
        if number == 0 {
            cluster.create(&service).await?;
        } else {
            cluster.change(&service, &service).await?;
        }
        scene.wait_for_rate("VirtualService", percent).await?;
        let what = format!("a rollout's VirtualService, {step}");
        scene
            .requests(&format!("act-{step}"), percent, &what)
            .await?;
    }
    cluster.delete(&service(&Value::Null)).await
}
