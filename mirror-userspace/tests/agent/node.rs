//! A node of a cluster: an API server, an agent, v1's pods, and v2.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use lab::{
    Behaviour, Ended, FakeApi, Family, Host, Lab, Mirror, Pod, RawClient, RecordedRequest,
    RecordingServer, Scratch,
};
use serde_json::{Value, json};

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const PODS: &str = "/api/v1/pods";

/// The port of the admin server.
const ADMIN_PORT: u16 = 9090;

/// The labels of the pods that are mirrored.
pub(crate) const V1: &[(&str, &str)] = &[("app", "web"), ("version", "v1")];

/// Its name in the cluster.
pub(crate) const NODE: &str = "node-1";

/// Everything a test needs, taken down in this order.
pub(crate) struct Node {
    pub(crate) v2: RecordingServer,
    pub(crate) api: FakeApi,
    pub(crate) scratch: Scratch,
    pub(crate) lab: Lab,
}

/// A pod with a server in it.
pub(crate) struct Web {
    server: RecordingServer,
    pub(crate) pod: Pod,
}

/// An agent that runs on the node.
pub(crate) struct Agent(pub(crate) Mirror);

impl Node {
    pub(crate) fn new() -> Self {
        let lab = Lab::new().unwrap();
        let v2 = Host::V2.address(Family::V4, 80);
        Self {
            v2: RecordingServer::start(&lab.v2, v2, Behaviour::Answer).unwrap(),
            api: FakeApi::start(Some(&lab.node), ([127, 0, 0, 1], 6443).into()).unwrap(),
            scratch: Scratch::create("agent").unwrap(),
            lab,
        }
    }

    /// An agent that mirrors the pods with the labels [`V1`] to v2.
    pub(crate) fn agent(&self, flags: &[&str]) -> Agent {
        let v2 = format!("http://{}", self.v2.address());
        let selector = ["--pod-selector", "app=web,version=v1", "--port", "80"];
        self.agent_with(&[&selector[..], &["--target", &v2], flags].concat())
    }

    /// The same with the admin server at this port, beside another one.
    pub(crate) fn agent_beside(&self, port: u16, flags: &[&str]) -> Agent {
        let v2 = format!("http://{}", self.v2.address());
        let selector = ["--pod-selector", "app=web,version=v1", "--port", "80"];
        let flags = [&selector[..], &["--target", &v2], flags].concat();
        let socket = self.scratch.path().join(format!("admin-{port}.sock"));
        let address = format!("127.0.0.1:{port}");
        let at = [NODE, &address, socket.to_str().unwrap()].map(str::to_owned);
        self.agent_at(&at, &[], &flags)
    }

    /// An agent with these flags on top of those that the lab needs.
    pub(crate) fn agent_with(&self, flags: &[&str]) -> Agent {
        self.agent_where(&[], flags)
    }

    /// An agent with these variables, `NAME=value`, in its environment.
    pub(crate) fn agent_where(&self, variables: &[&str], flags: &[&str]) -> Agent {
        let at = [NODE, "127.0.0.1:9090", self.socket().to_str().unwrap()].map(str::to_owned);
        self.agent_at(&at, variables, flags)
    }

    /// A kubeconfig file that leads to the API.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        let kubeconfig = self.scratch.path().join("kubeconfig");
        fs::write(&kubeconfig, self.api.kubeconfig()).unwrap();
        kubeconfig
    }

    /// The agent of the node of this name, with an admin server at this address and this socket.
    pub(crate) fn agent_at(
        &self,
        [name, address, socket]: &[String; 3],
        variables: &[&str],
        flags: &[&str],
    ) -> Agent {
        let kubeconfig = self.kubeconfig();
        let kubeconfig = kubeconfig.to_str().unwrap();
        let host = self.lab.node.name();
        let needed = [
            env!("CARGO_BIN_EXE_podmirror"),
            "agent",
            "--kubeconfig",
            kubeconfig,
            "--node-name",
            name,
            "--host-netns",
            host,
            "--admin-address",
            address,
            "--admin-socket",
            socket,
        ];
        let all = [variables, &needed, flags].concat();
        Agent(Mirror::start_command(&self.lab.node, Path::new("env"), &all, "mirroring ").unwrap())
    }

    /// Where the agent is tuned.
    pub(crate) fn socket(&self) -> PathBuf {
        self.scratch.path().join("admin.sock")
    }

    /// A pod that serves, not yet known to the API.
    pub(crate) fn web(&self, name: &str, host: u8) -> Web {
        let pod = Pod::start(&self.lab, name, host).unwrap();
        Web {
            server: serve(&pod),
            pod,
        }
    }

    /// Tells the API of a pod that v1's selector selects.
    pub(crate) fn tell(&self, web: &Web) {
        self.api.apply(PODS, web.pod.object(NODE, V1));
    }

    pub(crate) fn forget(&self, name: &str) {
        self.api.delete(PODS, "default", name);
    }

    /// A connection from the client to a pod.
    pub(crate) fn connect(&self, web: &Web, family: Family) -> RawClient {
        RawClient::connect(&self.lab.client, (web.pod.ip(family), 80).into()).unwrap()
    }

    /// One request on a connection of its own, which the pod must answer.
    pub(crate) fn request(&self, web: &Web, target: &str) {
        get(&mut self.connect(web, Family::V4), target);
    }

    /// Waits until v2 has so many requests, and asserts that these are their targets, in any order.
    pub(crate) fn assert_mirrored(&self, agent: &Agent, targets: &[&str]) {
        assert_same(&self.v2.wait_for(targets.len(), PATIENCE), targets, agent);
    }

    /// The reply to a request to the agent's admin server: its status and its body.
    pub(crate) fn admin(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let address = ([127, 0, 0, 1], ADMIN_PORT).into();
        let mut client = RawClient::connect(&self.lab.node, address).unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: agent\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        client.write(request.as_bytes()).unwrap();
        let reply = client.read_reply(method).unwrap();
        (reply.status, String::from_utf8(reply.body.bytes).unwrap())
    }

    /// Waits until a metric, named with its labels, has this value, or, for `None`, is gone. An agent may answer with what
    /// was so a moment ago, so that looking once proves nothing.
    pub(crate) fn wait_for_metric(&self, agent: &Agent, name: &str, value: Option<&str>) {
        let mut last = None;
        for _ in 0..300 {
            let (_, page) = self.admin("GET", "/metrics", "");
            let found = page.lines().find_map(|line| line.strip_prefix(name));
            last = found.map(|it| it.trim().to_owned());
            if last.as_deref() == value {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{name} is {last:?}, not {value:?}\n{}", agent.0.stderr());
    }

    /// Waits until the agent is ready.
    pub(crate) fn wait_until_ready(&self, agent: &Agent) {
        self.wait_for_readiness(agent, |status, _| status == 200);
    }

    pub(crate) fn wait_for_readiness(&self, agent: &Agent, is_it: impl Fn(u16, &str) -> bool) {
        let mut last = (0, String::new());
        for _ in 0..300 {
            last = self.admin("GET", "/readyz", "");
            if is_it(last.0, &last.1) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{last:?}\n{}", agent.0.stderr());
    }
}

pub(crate) fn assert_same(requests: &[RecordedRequest], targets: &[&str], agent: &Agent) {
    let mut got: Vec<_> = requests.iter().map(RecordedRequest::target).collect();
    let mut expected = targets.to_vec();
    got.sort_unstable();
    expected.sort_unstable();
    assert_eq!(got, expected, "{}", agent.0.stderr());
}

fn serve(pod: &Pod) -> RecordingServer {
    let any = ([0, 0, 0, 0, 0, 0, 0, 0], 80).into();
    RecordingServer::start(pod.namespace(), any, Behaviour::Answer).unwrap()
}

/// A request that must be answered.
pub(crate) fn get(client: &mut RawClient, target: &str) {
    let request = format!("GET {target} HTTP/1.1\r\nhost: web\r\n\r\n");
    client.write(request.as_bytes()).unwrap();
    assert_eq!(client.read_reply("GET").unwrap().status, 200);
}

impl Web {
    /// A new sandbox with a new address, and the server in it.
    pub(crate) fn restart_sandbox(self, lab: &Lab, host: u8) -> Self {
        let Self { server, mut pod } = self;
        // Its sockets are the old network's, which they would keep.
        drop(server);
        pod.restart_sandbox(lab, host).unwrap();
        Self {
            server: serve(&pod),
            pod,
        }
    }

    /// Answers with this status from now on.
    pub(crate) fn answer_with(&self, status: u16) {
        self.server.set_behaviour(Behaviour::Status(status));
    }

    /// Ends the pod and its server.
    pub(crate) fn end(self) {
        drop(self.server);
        drop(self.pod);
    }

    /// How many requests it was sent.
    pub(crate) fn count(&self) -> usize {
        self.server.requests().len()
    }

    /// What it was sent, once there are so many requests.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<RecordedRequest> {
        self.server.wait_for(count, PATIENCE)
    }
}

impl Agent {
    /// Waits until it has said so, for minutes.
    pub(crate) fn wait_long_for(&self, text: &str) {
        let mut waits = (0..10).map(|_| self.0.wait_for_times(text, 1));
        assert!(waits.any(|heard| heard.is_ok()), "{text}");
    }

    /// Waits until it has said so, as often as that.
    pub(crate) fn wait_for(&self, text: &str, times: usize) {
        self.0.wait_for_times(text, times).unwrap();
    }

    pub(crate) fn wait_until_attached(&self, pod: &str, times: usize) {
        self.wait_for(&format!("default/{pod}: attached to "), times);
    }

    pub(crate) fn wait_until_detached(&self, pod: &str, times: usize) {
        self.wait_for(&format!("default/{pod}: detached"), times);
    }

    /// How often it has said so.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.0.stderr().matches(text).count()
    }

    /// Ends it; the books must balance, and so many requests must have been sent and answered.
    pub(crate) fn stop(self, answered: u64) -> Ended {
        let ended = self.0.stop().unwrap();
        let said = &ended.stderr;
        assert!(ended.status.success(), "{said}");
        let rule = &ended.ledger.0["rules"]["flags"];
        if answered == 0 && rule.is_null() {
            return ended;
        }
        assert_eq!(rule["balanced"], json!(true), "{said}");
        assert_eq!(sum(&rule["replies"]["answered"]), answered, "{said}");
        ended
    }
}

fn sum(value: &Value) -> u64 {
    match value {
        Value::Object(entries) => entries.values().map(sum).sum(),
        other => other.as_u64().unwrap_or_default(),
    }
}
