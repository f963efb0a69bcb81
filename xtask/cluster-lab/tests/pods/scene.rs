//! A node with v1 and v2 on it, the API that tells of them, and the agent.

use std::{
    fs,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use cluster_lab::{
    Node, POD_IMAGE, RunningPod,
    manifests::{kustomize, of_kind},
};
use k8s_openapi::api::core::v1::Pod;
use lab::{FakeApi, RawClient, Reply};
use serde_json::{Value, json};

use crate::{front::Front, image};

const PODS: &str = "/api/v1/pods";
/// The folder, and the volume, with what a pod's service account is given.
const ACCOUNT: &str = "account";
const SERVICES: &str = "/api/v1/services";
const SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";
/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Scene {
    pub(crate) api: FakeApi,
    pub(crate) v1: RunningPod,
    v2: RunningPod,
    front: Front,
    node: Node,
}

impl Scene {
    /// v1 and v2 run, and the API tells of them and of the service `web-v2`.
    pub(crate) fn new() -> Self {
        let mut node = Node::start().unwrap();
        node.import(image::archive()).unwrap();
        let v1 = node.run(web("v1")).unwrap();
        let v2 = node.run(web("v2")).unwrap();
        let api = FakeApi::start(None, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let front = Front::start(&node, api.address());
        let account = node.folder().join(ACCOUNT);
        fs::create_dir(&account).unwrap();
        fs::write(account.join("ca.crt"), &front.certificate).unwrap();
        fs::write(account.join("token"), "a token").unwrap();
        fs::write(account.join("namespace"), "podmirror").unwrap();
        for pod in [&v1, &v2] {
            api.apply(PODS, serde_json::to_value(&pod.object).unwrap());
        }
        api.apply(
            SERVICES,
            json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "web-v2", "namespace": "default"},
                "spec": {"selector": {"version": "v2"}, "ports": [{"port": 80, "targetPort": 80}]},
            }),
        );
        let scene = Self {
            api,
            front,
            v1,
            v2,
            node,
        };
        scene.endpoints_of("web-v2", &["v2"]);
        scene
    }

    /// Says which pods are the ready endpoints of a service.
    pub(crate) fn endpoints_of(&self, service: &str, versions: &[&str]) {
        let pods = [&self.v1, &self.v2].into_iter();
        let endpoints = pods
            .filter(|pod| versions.iter().any(|version| pod.name() == *version))
            .map(|pod| {
                json!({
                    "addresses": [pod.ip()],
                    "conditions": {"ready": true},
                    "nodeName": Node::NAME,
                    "targetRef": {
                        "kind": "Pod",
                        "namespace": "default",
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
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "ports": [{"name": "", "port": 80, "protocol": "TCP"}],
            "endpoints": endpoints.collect::<Vec<_>>(),
        });
        self.api.apply(SLICES, slice);
    }

    /// Runs the DaemonSet's pod with what a kubelet adds, its service account, and waits until its readiness probe says yes.
    pub(crate) fn agent(&mut self, overlay: &str) -> RunningPod {
        let objects = kustomize(overlay).unwrap();
        let set = of_kind(&objects, "DaemonSet").unwrap();
        let mut spec = set["spec"]["template"]["spec"].clone();
        let push = |list: &mut Value, item| list.as_array_mut().unwrap().push(item);
        let path = self.node.folder().join(ACCOUNT);
        let volume = json!({"name": ACCOUNT, "hostPath": {"path": path}});
        push(&mut spec["volumes"], volume);
        let agent = &mut spec["containers"][0];
        let path = "/var/run/secrets/kubernetes.io/serviceaccount";
        let mount = json!({"name": ACCOUNT, "mountPath": path, "readOnly": true});
        push(&mut agent["volumeMounts"], mount);
        for (name, value) in [
            ("KUBERNETES_SERVICE_HOST", Node::ADDRESS.to_owned()),
            ("KUBERNETES_SERVICE_PORT", self.front.port.to_string()),
        ] {
            push(&mut agent["env"], json!({"name": name, "value": value}));
        }
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "podmirror", "namespace": "podmirror"},
            "spec": spec,
        });
        let agent = self.node.run(serde_json::from_value(pod).unwrap()).unwrap();
        self.wait(&agent, "it is ready", |scene| scene.is_ready(&agent));
        agent
    }

    /// Asks v1 on one connection, each time with a body, and waits until v2 has all of it.
    pub(crate) fn assert_mirrored(&self, agent: &RunningPod, what: &str, count: usize) {
        let mut client = self.connect(&self.v1, 80);
        for number in 0..count {
            let body = format!("{what}-{number}");
            let length = body.len();
            let request = format!(
                "POST /{what}/{number} HTTP/1.1\r\nHost: web\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            client.write(request.as_bytes()).unwrap();
            let reply = client.read_reply("POST").unwrap();
            assert_eq!((reply.status, &reply.body.bytes[..]), (200, &b"v1"[..]));
        }
        let lines = |pod: &RunningPod| {
            let log = self.node.logs(pod, "web");
            let ours = log
                .lines()
                .filter(|line| line.contains(&format!("/{what}/")));
            ours.map(str::to_owned).collect::<Vec<_>>()
        };
        self.wait(agent, "v2 has them all", |scene| {
            lines(&scene.v2).len() >= count
        });
        let served = lines(&self.v1);
        let expected: Vec<_> = served
            .iter()
            .map(|line| line.replace("mirrored-by=-", "mirrored-by=podmirror"))
            .collect();
        assert_eq!(served.len(), count);
        assert_eq!(lines(&self.v2), expected);
    }

    /// Ends the agent as a kubelet does. It has to go by itself, with books that balance.
    pub(crate) fn stop(&self, agent: &RunningPod, requests: usize) {
        let metrics = self.ask(agent, "/metrics").unwrap();
        let metrics = String::from_utf8(metrics.body.bytes).unwrap();
        assert!(metrics.contains("# TYPE podmirror_"), "{metrics}");
        let codes = self.node.stop(agent, Duration::from_secs(30)).unwrap();
        let log = self.node.logs(agent, "agent");
        assert_eq!(codes, [Some(0)], "{log}");
        assert!(log.lines().any(|line| line.trim() == "balanced"), "{log}");
        let answered = log.lines().find(|line| line.contains("answered 2xx"));
        let answered = answered.and_then(|line| line.split_whitespace().last());
        assert_eq!(answered, Some(&*requests.to_string()), "{log}");
    }

    /// v1's sandbox dies; the API hears of the new one, and the agent is ready again.
    pub(crate) fn restart_v1(&mut self, agent: &RunningPod) {
        let attached = |log: String| log.matches("attached").count();
        let before = attached(self.node.logs(agent, "agent"));
        self.node.restart_sandbox(&mut self.v1).unwrap();
        let object = serde_json::to_value(&self.v1.object).unwrap();
        self.api.apply(PODS, object);
        self.wait(agent, "it is attached anew", |scene| {
            attached(scene.node.logs(agent, "agent")) > before && scene.is_ready(agent)
        });
    }

    pub(crate) fn wait_for_log(&self, agent: &RunningPod, text: &str) {
        self.wait(agent, text, |scene| {
            scene.node.logs(agent, "agent").contains(text)
        });
    }

    /// What the kubelet's readiness probe asks.
    fn is_ready(&self, agent: &RunningPod) -> bool {
        let probe = &agent.object.spec.as_ref().unwrap().containers[0].readiness_probe;
        let path = probe
            .as_ref()
            .unwrap()
            .http_get
            .as_ref()
            .unwrap()
            .path
            .clone();
        self.ask(agent, &path.unwrap())
            .is_ok_and(|reply| reply.status == 200)
    }

    fn ask(&self, agent: &RunningPod, path: &str) -> anyhow::Result<Reply> {
        let ports = &agent.object.spec.as_ref().unwrap().containers[0].ports;
        let port = u16::try_from(ports.as_ref().unwrap()[0].container_port)?;
        let address = SocketAddr::new(agent.ip().parse()?, port);
        let mut client = RawClient::connect(self.node.namespace(), address)?;
        client.write(format!("GET {path} HTTP/1.1\r\nHost: agent\r\n\r\n").as_bytes())?;
        client.read_reply("GET")
    }

    fn connect(&self, pod: &RunningPod, port: u16) -> RawClient {
        let address = SocketAddr::new(pod.ip().parse().unwrap(), port);
        let deadline = Instant::now() + PATIENCE;
        loop {
            match RawClient::connect(self.node.namespace(), address) {
                Ok(client) => return client,
                // Its process may not listen yet.
                Err(error) => assert!(Instant::now() < deadline, "{error:#}"),
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait(&self, agent: &RunningPod, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            let ended = self.node.exit_code(agent, "agent").unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "not yet: {what}; ended: {ended:?}\n{}",
                self.node.logs(agent, "agent")
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A pod that answers with its version's name.
fn web(version: &str) -> Pod {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": version,
            "namespace": "default",
            "labels": {"app": "web", "version": version},
        },
        "spec": {
            "containers": [{
                "name": "web",
                "image": POD_IMAGE,
                "args": ["serve", version, "80"],
                "ports": [{"containerPort": 80}],
            }],
        },
    });
    serde_json::from_value(pod).unwrap()
}
