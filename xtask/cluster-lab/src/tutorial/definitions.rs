//! Definitions of kinds, which are the whole cluster's: one that is there is used as it is, one that we made bears our
//! mark and is removed.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::manifests::{kustomize, of_kind};

/// The label with the name of the run that made it.
const MARK: &str = "podmirror.io/e2e";

/// All that [`super::play`] may make.
pub(super) fn all(run: &str) -> Result<[Value; 2]> {
    Ok([traffic_mirrors(run)?, virtual_services(run)])
}

/// TrafficMirrors, as `deploy/` has them.
pub(super) fn traffic_mirrors(run: &str) -> Result<Value> {
    let objects = kustomize("overlays/traffic-mirrors")?;
    let mut definition = of_kind(&objects, "CustomResourceDefinition")?.clone();
    let metadata = definition
        .get_mut("metadata")
        .and_then(Value::as_object_mut);
    let metadata = metadata.context("a definition without metadata")?;
    metadata.insert("labels".to_owned(), json!({MARK: run}));
    Ok(definition)
}

/// Istio's VirtualServices where Istio is not: no mesh is needed to read them.
pub(super) fn virtual_services(run: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "virtualservices.networking.istio.io", "labels": {MARK: run}},
        "spec": {
            "group": "networking.istio.io",
            "scope": "Namespaced",
            "names": {"kind": "VirtualService", "plural": "virtualservices", "singular": "virtualservice"},
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": true,
                }},
            }],
        },
    })
}
