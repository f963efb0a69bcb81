//! A node with v1 and v2 on it, the API that tells of them, and the agent.

use std::{
    fs,
    net::SocketAddr,
    process::Command,
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
/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Scene {
    pub(crate) api: FakeApi,
    pub(crate) v1: RunningPod,
    pub(crate) v2: RunningPod,
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
        let scene = Self {
            api,
            front,
            v1,
            v2,
            node,
        };
        scene.serve("default", "web-v2", "v2", &[&scene.v2]);
        scene
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// A pod that the API tells of as one that is scheduled to this node, and of which nothing runs.
    pub(crate) fn schedule(&mut self, pod: Pod) -> RunningPod {
        let pod = self.node.schedule(pod).unwrap();
        self.tell(&pod);
        pod
    }

    /// Has the API tell of a pod as it is now.
    pub(crate) fn tell(&self, pod: &RunningPod) {
        self.api
            .apply(PODS, serde_json::to_value(&pod.object).unwrap());
    }

    /// Runs a pod that the API tells of.
    pub(crate) fn run(&mut self, pod: Pod) -> RunningPod {
        let pod = self.node.run(pod).unwrap();
        self.tell(&pod);
        pod
    }

    /// Runs the DaemonSet's pod, and waits until its readiness probe says yes.
    pub(crate) fn agent(&mut self, overlay: &str) -> RunningPod {
        let agent = self.agent_with(overlay, &[]);
        self.wait(&agent, "it is ready", |scene| scene.is_ready(&agent));
        agent
    }

    /// Runs the DaemonSet's pod with what a kubelet adds, its service account, and with more flags.
    pub(crate) fn agent_with(&mut self, overlay: &str, flags: &[&str]) -> RunningPod {
        let objects = kustomize(overlay).unwrap();
        let set = of_kind(&objects, "DaemonSet").unwrap();
        let mut spec = set["spec"]["template"]["spec"].clone();
        let push = |list: &mut Value, item| list.as_array_mut().unwrap().push(item);
        let path = self.node.folder().join(ACCOUNT);
        let volume = json!({"name": ACCOUNT, "hostPath": {"path": path}});
        push(&mut spec["volumes"], volume);
        let agent = &mut spec["containers"][0];
        for flag in flags {
            push(&mut agent["args"], json!(flag));
        }
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
        self.node.run(serde_json::from_value(pod).unwrap()).unwrap()
    }

    /// A request that v1 must answer.
    pub(crate) fn ask_v1(&self, path: &str) {
        let mut client = self.connect(&self.v1, 80);
        let request = format!("GET {path} HTTP/1.1\r\nHost: web\r\n\r\n");
        client.write(request.as_bytes()).unwrap();
        assert_eq!(client.read_reply("GET").unwrap().status, 200);
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

    /// Waits until a container of another pod has written this.
    pub(crate) fn wait_for_output(&self, pod: &RunningPod, container: &str, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.node.logs(pod, container);
            if log.contains(text) {
                return;
            }
            let ended = self.node.exit_code(pod, container).unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{ended:?}: {log}"
            );
            thread::sleep(Duration::from_millis(20));
        }
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
        self.connect_to(pod.ip(), port)
    }

    /// Connects as soon as somebody listens.
    pub(crate) fn connect_to(&self, ip: &str, port: u16) -> RawClient {
        let address = SocketAddr::new(ip.parse().unwrap(), port);
        let deadline = Instant::now() + PATIENCE;
        loop {
            match RawClient::connect(self.node.namespace(), address) {
                Ok(client) => return client,
                // Its process may not listen yet.
                Err(error) => assert!(Instant::now() < deadline, "{error:#}"),
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn wait(&self, agent: &RunningPod, what: &str, mut done: impl FnMut(&Self) -> bool) {
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

/// The number of a pod's interface in its network, and that of its other end on the node.
pub(crate) fn ends_of(node: &Node, pod: &RunningPod) -> (u32, u32) {
    let said = |command: &str| {
        let output = node
            .namespace()
            .output(Command::new("sh").args(["-euc", command]));
        let output = output.unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let after = |text: &str, word: &str| {
        let mut words = text.split_whitespace().skip_while(|found| *found != word);
        words
            .nth(1)
            .unwrap_or_else(|| panic!("no {word} in: {text}"))
            .to_owned()
    };
    // The bridge knows behind which port it has seen the pod's hardware address.
    let neighbour = after(
        &said(&format!("ip -o neighbour show {}", pod.ip())),
        "lladdr",
    );
    let port = said(&format!("bridge fdb show br cni0 | grep -i ^{neighbour}"));
    let link = said(&format!("ip -o link show {}", after(&port, "dev")));
    // `5: veth1a2b3c@if2: <…`
    let (outside, rest) = link.split_once(": ").unwrap();
    let (_, inside) = rest.split_once(": ").unwrap().0.split_once("@if").unwrap();
    (inside.parse().unwrap(), outside.parse().unwrap())
}

/// A pod that answers with its version's name.
pub(crate) fn web(version: &str) -> Pod {
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
