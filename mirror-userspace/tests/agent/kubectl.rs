//! `kubectl podmirror`: two agents, reached through the API and asked as one.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    node::{Agent, Node, PATIENCE, PODS, V1, Web},
    traffic_mirrors::{TRAFFIC_MIRRORS, mirror},
};

const PODMIRROR: &str = env!("CARGO_BIN_EXE_podmirror");

/// Two nodes with an agent each.
struct Cluster {
    node: Node,
    agents: [Agent; 2],
    plugin: PathBuf,
}

/// What the command came to.
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Cluster {
    /// With these flags for either agent.
    fn new(flags: &[&str]) -> Self {
        let v2 = |node: &Node| format!("http://{}", node.v2.address());
        let selector = [
            "--pod-selector",
            "app=web,version=v1",
            "--port",
            "80",
            "--target",
        ];
        Self::with(|node| {
            let target = v2(node);
            let all = [&selector[..], &[target.as_str()], flags].concat();
            all.into_iter().map(str::to_owned).collect()
        })
    }

    fn with(flags: impl Fn(&Node) -> Vec<String>) -> Self {
        let node = Node::new();
        node.api.serve(TRAFFIC_MIRRORS);
        let flags = flags(&node);
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        let agents = [1, 2].map(|number| {
            let socket = node.scratch.path().join(format!("{number}.sock"));
            let at = [
                format!("node-{number}"),
                format!("127.0.0.1:909{number}"),
                socket.to_str().unwrap().to_owned(),
            ];
            node.api.apply(PODS, agent_pod(number, &at));
            let name = format!("podmirror-{number}");
            let let_in = node
                .api
                .let_in("podmirror", &name, &node.lab.node, Path::new(PODMIRROR));
            let_in.unwrap();
            node.agent_at(&at, &[], &flags)
        });
        let plugin = node.scratch.path().join("kubectl-podmirror");
        symlink(PODMIRROR, &plugin).unwrap();
        Self {
            node,
            agents,
            plugin,
        }
    }

    /// A pod of v1's on a node, attached to.
    fn web(&self, name: &str, host: u8, number: usize) -> Web {
        let web = self.node.web(name, host);
        let object = web.pod.object(&format!("node-{number}"), V1);
        self.node.api.apply(PODS, object);
        self.agents[number - 1].wait_until_attached(name, 1);
        web
    }

    fn kubectl(&self, words: &[&str]) -> Said {
        let mut podmirror = Command::new(&self.plugin);
        podmirror
            .args(words)
            .env("KUBECONFIG", self.node.kubeconfig());
        let output = self.node.lab.node.output(&mut podmirror).unwrap();
        Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn status(&self) -> Value {
        let said = self.kubectl(&["status", "-o", "json"]);
        assert_eq!(said.code, Some(0), "{}", said.all());
        serde_json::from_str(&said.stdout).unwrap()
    }

    /// Waits until the status is as it should be.
    fn wait_for_status(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..30 {
            let status = self.status();
            if is_it(&status) {
                return status;
            }
        }
        panic!("{:#}\n{}", self.status(), self.agents[0].0.stderr());
    }
}

impl Said {
    fn all(&self) -> String {
        format!("{:?}\n{}\n{}", self.code, self.stdout, self.stderr)
    }

    /// Asserts how it ended, and what it said.
    fn assert(&self, code: i32, parts: &[&str]) {
        let all = self.all();
        assert_eq!(self.code, Some(code), "{all}");
        for part in parts {
            assert!(all.contains(part), "{part:?}: {all}");
        }
    }
}

/// The pod of an agent, as far as it is looked at.
fn agent_pod(number: usize, [node, address, socket]: &[String; 3]) -> Value {
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

#[test]
fn status_adds_up_all_nodes_and_names_those_that_do_not_answer() {
    let cluster = Cluster::new(&[]);
    let (one, two) = (cluster.web("one", 30, 1), cluster.web("two", 31, 2));
    for target in ["/a", "/b", "/c"] {
        cluster.node.request(&one, target);
    }
    cluster.node.request(&two, "/d");
    cluster.node.v2.wait_for(4, PATIENCE);
    let status = cluster.wait_for_status(|it| it["rules"][0]["ended"] == 4.0);
    let rule = &status["rules"][0];
    for (field, value) in [
        ("rule", json!("flags")),
        ("nodes", json!(2.0)),
        ("attachments", json!(2.0)),
        ("sample_ratio", json!(1.0)),
        ("sent", json!(4.0)),
        ("lost", json!(0.0)),
        ("errors", json!(0.0)),
    ] {
        assert_eq!(rule[field], value, "{field}: {status:#}");
    }
    assert!(
        rule["lag_p99_seconds"].as_f64().unwrap() > 0.0,
        "{status:#}"
    );
    assert_eq!(status["balanced"], json!(true), "{status:#}");
    let mut pods: Vec<_> = status["pods"].as_array().unwrap().iter().collect();
    pods.sort_by_key(|pod| pod["pod"].to_string());
    let place = |pod: &Value| [&pod["pod"], &pod["node"], &pod["state"]].map(Value::to_string);
    assert_eq!(place(pods[0]), [r#""one""#, r#""node-1""#, r#""attached""#]);
    assert_eq!(place(pods[1]), [r#""two""#, r#""node-2""#, r#""attached""#]);

    // One whose network nobody gets into, and one where nobody listens.
    let nobody = |number: usize, port: &str| {
        let at = [
            format!("node-{number}"),
            format!("127.0.0.1:{port}"),
            "/none".into(),
        ];
        cluster.node.api.apply(PODS, agent_pod(number, &at));
    };
    nobody(3, "1");
    nobody(4, "9");
    let (network, podmirror) = (&cluster.node.lab.node, Path::new(PODMIRROR));
    let let_in = cluster
        .node
        .api
        .let_in("podmirror", "podmirror-4", network, podmirror);
    let_in.unwrap();
    let said = cluster.kubectl(&["status"]);
    let parts = [
        "on 4 nodes, of which 2 answered",
        "no answer: node-3 (podmirror-3): the API knows none",
        "no answer: node-4 (podmirror-4): Connection refused",
        "default/two  node-2  attached  flags",
        "lost: nothing",
        "books: balanced",
    ];
    said.assert(3, &parts);
    let some = cluster.kubectl(&["status", "--node", "node-1,node-2"]);
    some.assert(0, &["on 2 nodes, of which 2 answered"]);
    let none = cluster.kubectl(&["status", "--node", "node-3"]);
    none.assert(1, &["none of the 1 agents answered"]);
    let nowhere = cluster.kubectl(&["status", "--namespace", "elsewhere"]);
    nowhere.assert(1, &["no agent runs in namespace elsewhere"]);

    let top = cluster.kubectl(&["top", "--node", "node-1,node-2"]);
    top.assert(0, &["> flags"]);
    // `check` says by its exit code what it found.
    let diagnosed = cluster.kubectl(&["diagnose", "--verbose"]);
    diagnosed.assert(
        1,
        &[
            "node-1 (podmirror-1): ",
            "node-3 (podmirror-3): the API knows none",
        ],
    );
    let [first, second] = cluster.agents;
    first.stop(3);
    second.stop(1);
}

#[test]
fn a_rate_is_set_on_all_nodes_and_holds_for_pods_to_come() {
    let cluster = Cluster::new(&[]);
    let (one, two) = (cluster.web("one", 30, 1), cluster.web("two", 31, 2));
    let webs = [&one, &two];
    let request = |target: &str| webs.map(|web| cluster.node.request(web, target));
    let stopped = cluster.kubectl(&["stop"]);
    stopped.assert(0, &["0 % is set on 2 of 2 nodes", "flags"]);
    request("/none");
    // Pods that come do not bring the rate of the flags back, nor do those that are replaced.
    let three = cluster.web("three", 32, 1);
    cluster.node.request(&three, "/none/either");
    cluster.node.forget("one");
    cluster.agents[0].wait_until_detached("one", 1);
    cluster.node.api.apply(PODS, one.pod.object("node-1", V1));
    cluster.agents[0].wait_until_attached("one", 2);
    request("/none/again");
    let status = cluster.status();
    assert_eq!(status["rules"][0]["sample_ratio"], json!(0.0), "{status:#}");
    assert_eq!(status["rules"][0]["sent"], json!(0.0), "{status:#}");

    let set = cluster.kubectl(&["set", "sample-rate", "100%", "--rule", "flags"]);
    set.assert(0, &["100 % is set on 2 of 2 nodes"]);
    request("/all");
    cluster.node.request(&three, "/all/too");
    let copies = cluster.node.v2.wait_for(3, PATIENCE);
    assert!(
        copies.iter().all(|copy| copy.target().starts_with("/all")),
        "{copies:?}"
    );

    let unknown = cluster.kubectl(&["set", "sample-rate", "5%", "--rule", "flag"]);
    unknown.assert(1, &["no node has a rule \"flag\""]);
    let absurd = cluster.kubectl(&["set", "sample-rate", "500%"]);
    absurd.assert(2, &["above 100 %"]);
    cluster.node.api.forbid("podmirror-2/exec");
    let partly = cluster.kubectl(&["set", "sample-rate", "50%"]);
    partly.assert(
        3,
        &[
            "50 % is set on 1 of 2 nodes",
            "node-2 (podmirror-2): the API forbids it",
            "pods/exec",
        ],
    );
    let status = cluster.kubectl(&["status"]);
    status.assert(0, &["50.0%-100 %"]);
    let [first, second] = cluster.agents;
    first.stop(2);
    second.stop(1);
}

#[test]
fn with_its_token_agents_are_told_without_executing_anything() {
    let token = lab::Scratch::create("token").unwrap();
    let file = token.path().join("token");
    std::fs::write(&file, "a token of some length\n").unwrap();
    let file = file.to_str().unwrap();
    let cluster = Cluster::new(&["--admin-token-file", file]);
    cluster.node.api.forbid("/exec");
    let set = ["set", "sample-rate", "25%"];
    cluster
        .kubectl(&set)
        .assert(1, &["0 of 2 nodes", "pods/exec"]);
    let with_token = [&set[..], &["--admin-token-file", file]].concat();
    cluster
        .kubectl(&with_token)
        .assert(0, &["25 % is set on 2 of 2 nodes"]);
    let status = cluster.status();
    assert_eq!(
        status["rules"][0]["sample_ratio"],
        json!(0.25),
        "{status:#}"
    );
    let [first, second] = cluster.agents;
    first.stop(0);
    second.stop(0);
}

#[test]
fn the_rate_of_a_traffic_mirror_is_written_where_it_lasts() {
    let cluster = Cluster::with(|_| vec!["--watch-config".to_owned()]);
    cluster.node.api.apply(TRAFFIC_MIRRORS, mirror(&json!({})));
    let _one = cluster.web("one", 30, 1);
    let _two = cluster.web("two", 31, 2);
    cluster.wait_for_status(|it| it["rules"][0]["attachments"] == 2.0);
    let written = |pointer: &str| {
        let object = cluster
            .node
            .api
            .object(TRAFFIC_MIRRORS, "default", "web")
            .unwrap();
        object.pointer(pointer).cloned().unwrap_or_default()
    };
    let of_web = ["--mirror", "default/web"];
    let set = cluster.kubectl(&[&["set", "sample-rate", "12.5%"], &of_web[..]].concat());
    set.assert(
        0,
        &[
            "TrafficMirror default/web: 12.5 %",
            "2 of 2 nodes do as it says",
        ],
    );
    assert_eq!(written("/spec/targets/0/percent"), json!(12.5));
    assert_eq!(
        written("/spec/targets/0/port"),
        json!(80),
        "the rest is as it was"
    );
    let status = cluster.status();
    assert_eq!(
        status["rules"][0]["sample_ratio"],
        json!(0.125),
        "{status:#}"
    );
    let explained = cluster.kubectl(&["explain"]);
    explained.assert(0, &["TrafficMirror default/web"]);

    let stopped = cluster.kubectl(&["stop", "--lasting"]);
    stopped.assert(
        0,
        &[
            "0 % is set on 2 of 2 nodes",
            "TrafficMirror default/web: suspended",
        ],
    );
    assert_eq!(written("/spec/suspend"), json!(true));
    cluster.wait_for_status(|it| it["rules"].as_array().unwrap().is_empty());
    let resumed = cluster.kubectl(&[&["resume"], &of_web[..]].concat());
    resumed.assert(0, &["no longer suspended", "2 of 2 nodes do as it says"]);
    let status = cluster.status();
    assert_eq!(
        status["rules"][0]["sample_ratio"],
        json!(0.125),
        "{status:#}"
    );
    let stopped = cluster.kubectl(&[&["stop"], &of_web[..]].concat());
    stopped.assert(0, &["suspended", "2 of 2 nodes do as it says"]);
    let unknown = cluster.kubectl(&["stop", "--mirror", "default/none"]);
    unknown.assert(1, &["TrafficMirror default/none: the API knows none"]);
    cluster
        .kubectl(&["stop", "--mirror", "web"])
        .assert(2, &["NAMESPACE/NAME"]);
    for agent in cluster.agents {
        let ended = agent.0.stop().unwrap();
        assert!(ended.status.success(), "{}", ended.stderr);
    }
}

#[test]
fn the_last_losses_of_all_nodes_are_told_by_time() {
    let cluster = Cluster::new(&["--max-rps", "1"]);
    let (one, two) = (cluster.web("one", 30, 1), cluster.web("two", 31, 2));
    for round in 0..4 {
        cluster.node.request(&one, &format!("/one/{round}"));
        cluster.node.request(&two, &format!("/two/{round}"));
    }
    let lost = |status: &Value| status["rules"][0]["losses"]["requests.dropped.max_rps"].as_f64();
    cluster.wait_for_status(|it| lost(it).is_some_and(|lost| lost >= 2.0));
    let said = cluster.kubectl(&["why", "max_rps", "--last", "1000"]);
    said.assert(
        0,
        &[
            "node-1: loss ",
            "node-2: loss ",
            "requests.dropped.max_rps: It was above",
            "GET /one/",
        ],
    );
    cluster
        .kubectl(&["why", "--last", "1"])
        .assert(0, &["others are kept (--last)"]);
    cluster
        .kubectl(&["why", "timeout"])
        .assert(0, &["nothing of that kind was lost"]);
    cluster
        .kubectl(&["why", "nothing"])
        .assert(2, &["no reason is called"]);
    cluster
        .kubectl(&["status"])
        .assert(0, &["requests.dropped.max_rps (flags to "]);
    cluster
        .kubectl(&["verdict"])
        .assert(4, &["nothing is compared"]);
    for agent in cluster.agents {
        let ended = agent.0.stop().unwrap();
        assert!(ended.status.success(), "{}", ended.stderr);
    }
}
