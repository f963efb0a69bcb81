//! An agent that takes over from the one before it on its node.

use std::{
    collections::BTreeMap,
    ops::Range,
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

/// A node with a pod, and an agent that mirrors it.
fn place() -> (Node, Web, Agent) {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let old = agent(&node, 0);
    old.wait_until_attached("web", 1);
    node.wait_until_ready(&old);
    (node, web, old)
}

/// Asks the pod for the last of these targets: then v2 has all of them, each once, by this agent.
fn mirrored(node: &Node, web: &Web, agent: &Agent, targets: &[&str]) {
    node.request(web, targets.last().unwrap());
    node.assert_mirrored(agent, targets);
}

/// Requests to a pod that go on until they are told to end, each with a target of its own.
struct Load<'a> {
    node: &'a Node,
    web: &'a Web,
    ends: AtomicBool,
    /// How many each client has sent.
    sent: [AtomicUsize; 2 * CLIENTS],
}

impl<'a> Load<'a> {
    fn new(node: &'a Node, web: &'a Web) -> Self {
        Self {
            node,
            web,
            ends: AtomicBool::new(false),
            sent: Default::default(),
        }
    }

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
            get(&mut connection, &target(client, number));
            self.sent[client].fetch_add(1, SeqCst);
            // A mirror that is behind drops at its end what it has not sent: this is about another thing.
            thread::sleep(Duration::from_millis(15));
        }
    }

    /// How many each client has sent until now: the one with the next number is under way.
    fn sent(&self) -> [usize; 2 * CLIENTS] {
        std::array::from_fn(|client| self.sent[client].load(SeqCst))
    }

    /// Waits until each client has sent so many more.
    fn wait_for_more(&self, more: usize) {
        let enough = self.sent().map(|sent| sent + more);
        let deadline = Instant::now() + PATIENCE;
        while self.sent().iter().zip(enough).any(|(sent, it)| *sent < it) {
            assert!(
                Instant::now() < deadline,
                "{enough:?} requests take too long"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until v2 has those requests of each client whose numbers are in the range.
    fn wait_until_copied(&self, what: impl Fn(usize) -> Range<usize>, agents: &[&Agent]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let counts = counted(&self.node.v2.requests());
            let wanted =
                (0..2 * CLIENTS).flat_map(|it| what(it).map(move |number| target(it, number)));
            let missed: Vec<_> = wanted.filter(|it| !counts.contains_key(it)).collect();
            if missed.is_empty() {
                return;
            }
            let said: Vec<_> = agents.iter().map(|it| it.0.stderr()).collect();
            assert!(Instant::now() < deadline, "{missed:?}: {said:#?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn target(client: usize, number: usize) -> String {
    format!("/{client}/{number}")
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
///
/// What is missed is missed in one moment, and nothing that was answered before the new one was started, or sent after
/// it had taken over.
#[test]
fn no_request_is_copied_twice_and_those_missed_are_of_one_moment() {
    let (node, web, old) = place();
    let load = &Load::new(&node, &web);
    let (new, before, after) = thread::scope(|scope| {
        for client in 0..2 * CLIENTS {
            scope.spawn(move || load.run(client));
        }
        load.wait_for_more(25);
        let before = load.sent();
        let new = agent(&node, 1);
        old.wait_for("the next agent of this node has taken over", 1);
        new.wait_for("took over from the agent before this one", 1);
        // The one under way may have begun before that.
        let after = load.sent().map(|sent| sent + 1);
        load.wait_for_more(25);
        load.wait_until_copied(|client| 0..before[client], &[&old, &new]);
        let ended = old.0.stop().unwrap();
        assert!(ended.status.success(), "{}", ended.stderr);
        load.wait_for_more(25);
        load.ends.store(true, SeqCst);
        (new, before, after)
    });
    let sent = load.sent();
    load.wait_until_copied(|client| after[client]..sent[client], &[&new]);
    let ended = new.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
    let counts = counted(&node.v2.requests());
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let (mut all, mut meanwhile) = (0, 0);
    for client in 0..2 * CLIENTS {
        let window = before[client]..after[client];
        meanwhile += window.len();
        let missed: Vec<_> = window
            .filter(|it| !counts.contains_key(&target(client, *it)))
            .collect();
        let first = missed.first().copied().unwrap_or_default();
        let run: Vec<_> = (first..).take(missed.len()).collect();
        assert_eq!(missed, run, "client {client}: {}", ended.stderr);
        all += missed.len();
    }
    println!("missed {all} of {meanwhile}");
    // The old one has mirrored while the new one attached. How long the moment took is the machine's affair.
    assert!(all < meanwhile, "{all}: {}", ended.stderr);
}

/// Two wait when the old one ends, and later the one that mirrors ends, too.
#[test]
fn of_three_agents_one_mirrors() {
    let (node, web, old) = place();
    mirrored(&node, &web, &old, &["/old"]);
    // Neither can attach.
    node.api.set_health(lab::Health::Down);
    let others = [agent(&node, 1), agent(&node, 2)];
    for other in &others {
        other.wait_for("another agent mirrors on this node", 1);
    }
    old.stop(1);
    node.api.set_health(lab::Health::Up);
    for other in &others {
        other.wait_until_attached("web", 1);
    }
    // One of them was alone until the other one was ready.
    let took_over = "took over from the agent before this one";
    let deadline = Instant::now() + PATIENCE;
    while !others.iter().any(|it| it.count(took_over) > 0) {
        let said = others.iter().map(|it| it.0.stderr()).collect::<Vec<_>>();
        assert!(Instant::now() < deadline, "{said:#?}");
        thread::sleep(Duration::from_millis(20));
    }
    node.request(&web, "/new");
    assert_eq!(node.v2.wait_for(2, PATIENCE).len(), 2);
    let [first, second] = others;
    let (mirrors, rests) = if first.count(took_over) > 0 {
        (first, second)
    } else {
        (second, first)
    };
    let ended = mirrors.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
    rests.wait_for("the agent that took over has ended: mirroring again", 1);
    node.request(&web, "/again");
    node.v2.wait_for(3, PATIENCE);
    let ended = rests.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
    let counts = counted(&node.v2.requests());
    let expected = ["/again", "/new", "/old"].map(|it| (it.to_owned(), 1));
    assert_eq!(counts, BTreeMap::from(expected), "{}", ended.stderr);
}

#[test]
fn if_the_new_one_ends_the_old_one_goes_on() {
    let (node, web, old) = place();
    mirrored(&node, &web, &old, &["/old"]);

    let new = agent(&node, 1);
    new.wait_for("took over from the agent before this one", 1);
    mirrored(&node, &web, &new, &["/old", "/new"]);
    let ended = new.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
    old.wait_for("the agent that took over has ended: mirroring again", 1);
    mirrored(&node, &web, &old, &["/old", "/new", "/again"]);
    old.stop(2);
}

/// What can't be attached to does not take the mirror away from the one that is.
#[test]
fn the_old_one_mirrors_until_the_new_one_is_ready() {
    let (node, web, old) = place();
    node.api.set_health(lab::Health::Down);
    let new = agent(&node, 1);
    new.wait_for("another agent mirrors on this node", 1);
    mirrored(&node, &web, &old, &["/old"]);
    // The old one ends before that: the new one goes on alone.
    old.stop(1);
    new.wait_for("the agent before this one has ended: mirroring", 1);
    node.api.set_health(lab::Health::Up);
    new.wait_until_attached("web", 1);
    mirrored(&node, &web, &new, &["/old", "/new"]);
    new.stop(1);
}
