//! An API that forgets, breaks off, refuses, or is not there: what is mirrored goes on.

use std::{collections::BTreeSet, time::Instant};

use lab::{FakeApi, Family, Health, Host};

use crate::{
    documents::{DESTINATION_RULES, VIRTUAL_SERVICES},
    node::{Agent, Node, Web},
    traffic_mirrors::TRAFFIC_MIRRORS,
};

/// A node with one pod that is attached to.
fn mirroring() -> (Node, Web, Agent) {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    let agent = node.agent(&[]);
    agent.wait_until_attached("web", 1);
    node.wait_until_ready(&agent);
    (node, web, agent)
}

#[test]
fn a_version_that_is_forgotten_is_listed_anew() {
    let (node, web, agent) = mirroring();
    let second = node.web("second", 31);
    node.api.expire();
    node.tell(&second);
    agent.wait_until_attached("second", 1);
    node.request(&web, "/web");
    node.request(&second, "/second");
    node.assert_mirrored(&agent, &["/web", "/second"]);
    assert_eq!(agent.count("detached"), 0);
    agent.stop(2);
}

#[test]
fn a_watch_that_breaks_off_goes_on() {
    let (node, web, agent) = mirroring();
    for _ in 0..3 {
        node.api.drop_watches();
    }
    node.request(&web, "/web");
    node.forget("web");
    agent.wait_until_detached("web", 1);
    node.request(&web, "/unseen");
    node.assert_mirrored(&agent, &["/web"]);
    agent.stop(1);
}

/// What ended while the API was away is noticed once it is back.
fn without_the_api(health: Health) {
    let (node, web, agent) = mirroring();
    let gone = node.web("gone", 31);
    node.tell(&gone);
    agent.wait_until_attached("gone", 1);
    node.api.set_health(health);
    node.api.expire();
    node.forget("gone");
    let new = node.web("new", 32);
    node.tell(&new);
    agent.wait_for("the watch of ", 1);
    node.request(&web, "/while/away");
    node.assert_mirrored(&agent, &["/while/away"]);
    // What is attached stays so, and so the agent is ready: taking it out would help nobody.
    let (status, said) = node.admin("GET", "/readyz", "");
    assert_eq!(status, 200);
    assert_eq!(
        said.contains("watches are forbidden"),
        health == Health::Refusing(403),
        "{said}"
    );
    assert_eq!(agent.count("detached"), 0);

    node.api.set_health(Health::Up);
    agent.wait_until_attached("new", 1);
    agent.wait_until_detached("gone", 1);
    node.request(&new, "/new");
    node.assert_mirrored(&agent, &["/while/away", "/new"]);
    agent.stop(2);
}

/// Who stands between has forgotten the connections, or the API's machine is gone: nothing ends them.
#[test]
fn an_api_that_falls_silent_is_noticed_soon() {
    let mut node = Node::new();
    let address = (Host::V2.ip(Family::V4), 6443).into();
    node.api = FakeApi::start(Some(&node.lab.v2), address).unwrap();
    let web = node.web("web", 30);
    node.tell(&web);
    let agent = node.agent(&[]);
    agent.wait_until_attached("web", 1);
    node.wait_until_ready(&agent);
    node.lab.v2.ip("link set eth0 down").unwrap();
    // Long before a watch of five minutes ends, or its silence of two is too much.
    agent.wait_for("the watch of ", 1);
    assert_eq!(agent.count("detached"), 0);
}

#[test]
fn an_api_that_is_down_stops_nothing() {
    without_the_api(Health::Down);
}

#[test]
fn an_api_that_forbids_stops_nothing() {
    without_the_api(Health::Refusing(403));
}

#[test]
fn an_agent_that_starts_without_the_api_waits_for_it() {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    node.api.set_health(Health::Down);
    let agent = node.agent(&[]);
    node.wait_for_readiness(&agent, |status, why| status == 503 && why.contains("pods"));
    node.api.set_health(Health::Up);
    node.wait_until_ready(&agent);
    node.request(&web, "/");
    node.assert_mirrored(&agent, &["/"]);
    agent.stop(1);
}

/// Whatever is tried again and again, and however many watches there are: one line a minute at most for one cause,
/// and none of a library. Returns the lines.
fn said_of(health: Health) -> Vec<String> {
    let node = Node::new();
    let web = node.web("web", 30);
    node.tell(&web);
    for kind in [VIRTUAL_SERVICES, DESTINATION_RULES, TRAFFIC_MIRRORS] {
        node.api.serve(kind);
    }
    let agent = node.agent(&["--watch-config"]);
    agent.wait_until_attached("web", 1);
    node.wait_until_ready(&agent);
    node.api.set_health(health);
    let before = node.api.requests().len();
    let tried = |api: &FakeApi| {
        let asked = api.requests();
        let of = |kind: &str| {
            asked
                .iter()
                .skip(before)
                .filter(|it| it.contains(kind))
                .count()
        };
        ["/pods", "/virtualservices", "/trafficmirrors"]
            .map(of)
            .iter()
            .all(|count| *count >= 3)
    };
    assert!(node.api.wait_until(tried), "{}", agent.0.stderr());
    agent.wait_for("the watch of ", 1);
    node.api.set_health(Health::Up);
    agent.wait_for(" works again", 1);
    let said = agent.0.stderr();
    for word in [
        "watch list error",
        "watcher error",
        "eof in poll",
        "error with 403",
    ] {
        assert!(!said.contains(word), "{said}");
    }
    agent.stop(0);
    let lines = said
        .lines()
        .filter(|line| line.contains(" fails and is tried again"));
    // Without the time.
    let lines = lines.filter_map(|line| line.split_once("the watch of "));
    lines.map(|(_, line)| line.to_owned()).collect()
}

#[test]
fn an_outage_is_said_once_and_not_by_each_watch() {
    let start = Instant::now();
    let lines = said_of(Health::Refusing(500));
    let minutes = usize::try_from(start.elapsed().as_secs() / 60).unwrap();
    assert!((1..=1 + minutes).contains(&lines.len()), "{lines:#?}");
}

#[test]
fn what_is_forbidden_is_said_once_for_each_kind() {
    let lines = said_of(Health::Refusing(403));
    let kinds: BTreeSet<_> = lines.iter().map(|line| line.split(' ').next()).collect();
    assert_eq!(kinds.len(), lines.len(), "{lines:#?}");
    assert!(kinds.len() >= 3, "{lines:#?}");
}
