//! What can happen to a pod, as sequences of events with the actions that must follow.

mod early;
mod gates;
mod lives;
mod model;
mod rules;
mod sandboxes;

use std::{net::IpAddr, time::Duration};

use mirror_core::destination::{LabelSelector, Labels, ServiceRef};

use super::{AttachState, NodeState};
use crate::{
    cluster::{
        Action, Event, NetnsId, Phase, PodUid, PodView, RuleId, Sandbox, Search, ServicePort,
        ServiceView, TargetPort,
    },
    plan::{Scope, Source},
};

const FLAGS: RuleId = RuleId(1);

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let pairs = pairs
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()));
    pairs.collect()
}

/// Pods with `version=v1` in any namespace, at these ports.
fn v1_at(ports: &[u16]) -> Source {
    Source::Pods {
        scope: Scope::All,
        selector: LabelSelector::of(&labels(&[("version", "v1")])),
        ports: ports.to_vec(),
    }
}

/// A pod as `kubectl get` shows a healthy one.
fn pod(name: &str, ip: &str) -> PodView {
    PodView {
        uid: uid(name),
        namespace: "default".to_owned(),
        name: name.to_owned(),
        labels: labels(&[("app", "web"), ("version", "v1")]),
        phase: Phase::Running,
        host_network: false,
        ips: vec![address(ip)],
        deleting: false,
        static_hash: None,
        gate_open: None,
        ports: [("http".to_owned(), 8080)].into(),
    }
}

fn uid(name: &str) -> PodUid {
    PodUid(format!("uid-of-{name}"))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn sandbox(inode: u64, cookie: u64) -> Sandbox {
    Sandbox {
        netns: NetnsId {
            inode,
            cookie: Some(cookie),
        },
        process: 100 + u32::try_from(cookie).unwrap(),
        interface: "eth0".to_owned(),
    }
}

/// The reducer, and the node that does what it says.
struct Node {
    state: NodeState,
}

impl Node {
    /// One rule, and a first list with these pods, which are found in namespaces of their own and
    /// attached to.
    fn mirroring(pods: &[PodView]) -> Self {
        let mut node = Self::with_rule(v1_at(&[80]));
        let mut finds = node.on(Event::PodsListed(pods.to_vec()));
        for (pod, cookie) in pods.iter().zip(1..) {
            let find = finds.remove(0);
            assert_eq!(pod_of(&find), &pod.uid);
            node.answer_found(&find, sandbox(1_000 + cookie, cookie));
        }
        assert_eq!(node.state.ready(), Ok(()));
        node
    }

    fn with_rule(source: Source) -> Self {
        let mut state = NodeState::default();
        assert_eq!(state.on_event(Event::RuleApplied(FLAGS, source)), []);
        Self { state }
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        self.state.on_event(event)
    }

    /// Answers a search, says yes to what is to be attached, and returns what was asked for.
    fn answer_found(&mut self, find: &Action, sandbox: Sandbox) -> Vec<Action> {
        let (pod, search) = (pod_of(find).clone(), search_of(find));
        let actions = self.on(Event::Found(pod, search, sandbox));
        for action in &actions {
            if let Action::Attach {
                rule, pod, search, ..
            } = action
            {
                let quiet = self.on(Event::Attached(*rule, pod.clone(), *search));
                assert_eq!(quiet, []);
            }
        }
        actions
    }

    fn answer_not_found(&mut self, find: &Action) -> Vec<Action> {
        self.on(Event::NotFound(
            pod_of(find).clone(),
            search_of(find),
            "it hides".to_owned(),
        ))
    }

    /// The state of the only pair of a rule and a pod.
    fn only_state(&self) -> AttachState {
        let mut all: Vec<_> = self.state.status().collect();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0).state
    }

    fn attached(&self) -> Vec<String> {
        let attached = self
            .state
            .status()
            .filter(|pod| pod.state == AttachState::Attached);
        attached.map(|pod| pod.name).collect()
    }
}

fn pod_of(action: &Action) -> &PodUid {
    match action {
        Action::Find { pod, .. } | Action::Attach { pod, .. } | Action::Detach { pod, .. } => pod,
        Action::Tell(text) => panic!("told: {text}"),
    }
}

fn search_of(find: &Action) -> Search {
    match find {
        Action::Find { search, .. } | Action::Attach { search, .. } => *search,
        other => panic!("{other:?}"),
    }
}

/// The only action, which is to search a pod.
fn find(actions: Vec<Action>) -> Action {
    match <[Action; 1]>::try_from(actions) {
        Ok([find @ Action::Find { .. }]) => find,
        other => panic!("one search expected: {other:?}"),
    }
}

fn pause_of(find: &Action) -> Duration {
    match find {
        Action::Find { after, .. } => *after,
        other => panic!("{other:?}"),
    }
}

fn detach(pod: &str) -> Action {
    Action::Detach {
        rule: FLAGS,
        pod: uid(pod),
    }
}

/// Which pods are attached where, at which ports.
fn attaches(actions: &[Action]) -> Vec<(&PodUid, &Sandbox, &[u16])> {
    fn attach(action: &Action) -> Option<(&PodUid, &Sandbox, &[u16])> {
        match action {
            Action::Attach {
                pod,
                sandbox,
                ports,
                ..
            } => Some((pod, sandbox, ports)),
            _ => None,
        }
    }
    actions.iter().filter_map(attach).collect()
}
