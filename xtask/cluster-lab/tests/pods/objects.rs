//! What the API tells of beside pods: services, their endpoints, and documents that mirror.

use cluster_lab::{Node, RunningPod};
use serde_json::{Value, json};

use crate::scene::Scene;

const SERVICES: &str = "/api/v1/services";
const SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";
pub(crate) const VIRTUAL_SERVICES: &str = "/apis/networking.istio.io/v1/virtualservices";
const DESTINATION_RULES: &str = "/apis/networking.istio.io/v1/destinationrules";

impl Scene {
    /// v1's and v2's documents of the mirroring tutorial, as they are, and what they name.
    pub(crate) fn apply_the_tutorials_documents(&self) {
        self.api.serve(VIRTUAL_SERVICES);
        self.api.serve(DESTINATION_RULES);
        self.service("default", "web-service", json!({"app": "web"}));
        self.slice("default", "web-service", &[&self.v1, &self.v2]);
        self.api.apply(
            DESTINATION_RULES,
            json!({
                "apiVersion": "networking.istio.io/v1",
                "kind": "DestinationRule",
                "metadata": {"name": "web-service", "namespace": "default"},
                "spec": {
                    "host": "web-service",
                    "subsets": [
                        {"name": "v1", "labels": {"version": "v1"}},
                        {"name": "v2", "labels": {"version": "v2"}},
                    ],
                },
            }),
        );
        self.api.apply(
            VIRTUAL_SERVICES,
            json!({
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "metadata": {"name": "web-service", "namespace": "default"},
                "spec": {
                    "hosts": ["web-service"],
                    "http": [{
                        "route": [{
                            "destination": {"host": "web-service", "subset": "v1"},
                            "weight": 100,
                        }],
                        "mirror": {"host": "web-service", "subset": "v2"},
                        "mirrorPercentage": {"value": 100.0},
                    }],
                },
            }),
        );
    }

    /// A service that stands for the pods of a version, with its endpoints.
    pub(crate) fn serve(&self, namespace: &str, name: &str, version: &str, pods: &[&RunningPod]) {
        self.service(namespace, name, json!({"version": version}));
        self.slice(namespace, name, pods);
    }

    fn service(&self, namespace: &str, name: &str, selector: Value) {
        self.api.apply(
            SERVICES,
            json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"selector": selector, "ports": [{"port": 80, "targetPort": 80}]},
            }),
        );
    }

    /// Says which pods are the ready endpoints of a service.
    fn slice(&self, namespace: &str, service: &str, pods: &[&RunningPod]) {
        let endpoints = pods.iter().map(|pod| {
            json!({
                "addresses": [pod.ip()],
                "conditions": {"ready": true},
                "nodeName": Node::NAME,
                "targetRef": {
                    "kind": "Pod",
                    "namespace": namespace,
                    "name": pod.name(),
                    "uid": pod.uid(),
                },
            })
        });
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": format!("{service}-a"),
                "namespace": namespace,
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "ports": [{"name": "", "port": 80, "protocol": "TCP"}],
            "endpoints": endpoints.collect::<Vec<_>>(),
        });
        self.api.apply(SLICES, slice);
    }
}
