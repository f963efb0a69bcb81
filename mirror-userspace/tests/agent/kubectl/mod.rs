//! `kubectl podmirror`: two agents, reached through the API and asked as one.

mod asked;
mod paged;
mod told;
mod turns;

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use lab::agent_pod;
use serde_json::Value;

use crate::{
    node::{Agent, Node, PATIENCE, PODS, V1, Web},
    traffic_mirrors::TRAFFIC_MIRRORS,
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
            // Patient, as the machine may be busy.
            .arg("--timeout=60s")
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
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if is_it(&status) {
                return status;
            }
            let late = Instant::now() >= deadline;
            assert!(!late, "{status:#}\n{}", self.agents[0].0.stderr());
            thread::sleep(Duration::from_millis(50));
        }
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
