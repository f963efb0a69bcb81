//! An agent that takes over from the one before it on its node.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use lab::{Family, RawClient, RecordedRequest};

use crate::node::{Agent, Node, PATIENCE, Web, get};

/// Clients that keep their connections, and as many that open one for each request.
const CLIENTS: usize = 2;

/// An agent at the node's door, with an address of its own for the admin server.
fn agent(node: &Node, number: u16) -> Agent {
    let door = node.scratch.path().join("hand-over.sock");
    node.agent_beside(9090 + number, &["--hand-over", door.to_str().unwrap()])
}

/// Requests to a pod that go on until they are told to end, each with a target of its own.
struct Load<'a> {
    node: &'a Node,
    web: &'a Web,
    ends: AtomicBool,
    sent: AtomicUsize,
}

impl Load<'_> {
    fn run(&self, client: usize) {
        let keeps = client.is_multiple_of(2);
        let connect = || {
            RawClient::connect(
                &self.node.lab.client,
                (self.web.pod.ip(Family::V4), 80).into(),
            )
            .unwrap()
        };
        let mut connection = connect();
        for number in 0.. {
            if self.ends.load(SeqCst) {
                return;
            }
            if !keeps {
                connection = connect();
            }
            get(&mut connection, &format!("/{client}/{number}"));
            self.sent.fetch_add(1, SeqCst);
            // A mirror that is behind drops at its end what it has not sent: this is about another thing.
            thread::sleep(Duration::from_millis(15));
        }
    }

    /// Waits for so many requests more.
    fn wait_for_more(&self, more: usize) {
        let enough = self.sent.load(SeqCst) + more;
        let deadline = Instant::now() + PATIENCE;
        while self.sent.load(SeqCst) < enough {
            assert!(Instant::now() < deadline, "{enough} requests take too long");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until v2 has what was sent until now.
    fn wait_until_copied(&self) {
        let sent = self.sent.load(SeqCst);
        let deadline = Instant::now() + PATIENCE;
        while !are_enough(self.node.v2.requests().len(), sent) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether hardly any of so many requests are missing.
fn are_enough(copies: usize, sent: usize) -> bool {
    sent.saturating_sub(copies) * 10 <= sent
}

/// How often each request came to v2.
fn counted(requests: &[RecordedRequest]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        *counts.entry(request.target().to_owned()).or_default() += 1;
    }
    counts
}

/// As at an update of the DaemonSet with maxSurge: both run, and the old one is ended once the new one is ready.
#[test]
fn no_request_is_copied_twice_and_hardly_one_missed() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let old = agent(&node, 0);
    old.wait_until_attached("web", 1);
    node.wait_until_ready(&old);
    let load = Load {
        node: &node,
        web: &web,
        ends: AtomicBool::new(false),
        sent: AtomicUsize::new(0),
    };
    let load = &load;
    let new = thread::scope(|scope| {
        for client in 0..2 * CLIENTS {
            scope.spawn(move || load.run(client));
        }
        load.wait_for_more(100);
        let new = agent(&node, 1);
        old.wait_for("the next agent of this node has taken over", 1);
        new.wait_for("took over from the agent before this one", 1);
        load.wait_for_more(100);
        load.wait_until_copied();
        let ended = old.0.stop().unwrap();
        assert!(ended.status.success(), "{}", ended.stderr);
        load.wait_for_more(100);
        load.ends.store(true, SeqCst);
        new
    });
    node.request(&web, "/last");
    let sent = load.sent.load(SeqCst) + 1;
    let deadline = Instant::now() + PATIENCE;
    let arrived = || node.v2.requests().iter().any(|it| it.target() == "/last");
    while !arrived() {
        assert!(Instant::now() < deadline, "{}", new.0.stderr());
        thread::sleep(Duration::from_millis(20));
    }
    load.wait_until_copied();
    let ended = new.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
    let counts = counted(&node.v2.requests());
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let missed = sent - counts.len();
    println!("missed {missed} of {sent}");
    // On a machine that is busy, a moment may take long.
    assert!(
        are_enough(counts.len(), sent),
        "{missed} of {sent}: {}",
        ended.stderr
    );
}

#[test]
fn if_the_new_one_ends_the_old_one_goes_on() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let old = agent(&node, 0);
    old.wait_until_attached("web", 1);
    node.wait_until_ready(&old);
    node.request(&web, "/old");
    node.assert_mirrored(&old, &["/old"]);

    let new = agent(&node, 1);
    new.wait_for("took over from the agent before this one", 1);
    node.request(&web, "/new");
    node.assert_mirrored(&new, &["/old", "/new"]);
    let ended = new.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
    old.wait_for("the agent that took over has ended: mirroring again", 1);
    node.request(&web, "/again");
    node.assert_mirrored(&old, &["/old", "/new", "/again"]);
    old.stop(2);
}

/// What can't be attached to does not take the mirror away from the one that is.
#[test]
fn the_old_one_mirrors_until_the_new_one_is_ready() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let old = agent(&node, 0);
    old.wait_until_attached("web", 1);
    node.wait_until_ready(&old);
    node.api.set_health(lab::Health::Down);
    let new = agent(&node, 1);
    new.wait_for("another agent mirrors on this node", 1);
    node.request(&web, "/old");
    node.assert_mirrored(&old, &["/old"]);
    // The old one ends before that: the new one goes on alone.
    old.stop(1);
    new.wait_for("the agent before this one has ended: mirroring", 1);
    node.api.set_health(lab::Health::Up);
    new.wait_until_attached("web", 1);
    node.request(&web, "/new");
    node.assert_mirrored(&new, &["/old", "/new"]);
    new.stop(1);
}
