//! A page of more agents than are asked in a second.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use lab::agent_pod;
use serde_json::{Value, json};

use super::{Cluster, PODMIRROR, paged::Page};
use crate::node::PODS;

/// Those that run are asked under many names.
const AGENTS: usize = 60;

/// Agents that are asked per second, and what may be made up for of the seconds before.
const PER_SECOND: f64 = 32.0;
const MADE_UP: f64 = 64.0;

/// When each agent told something that was shown, on the page's clock.
#[derive(Default)]
struct Answers(BTreeMap<String, Vec<f64>>);

impl Answers {
    fn add(&mut self, books: &Value) {
        for agent in books["agents"].as_array().unwrap() {
            let at = agent["told_at"].as_f64().unwrap();
            let name = agent["agent"].as_str().unwrap().to_owned();
            let all = self.0.entry(name).or_default();
            // Nobody is asked twice in a second, and the clock is as exact as the agents that it is of: where one that is
            // slow moves it, a few are counted twice.
            if all.last().is_none_or(|last| at - last > 0.5) {
                all.push(at);
            }
        }
    }

    /// How many there were since the first look.
    fn later(&self) -> usize {
        self.0.values().map(|all| all.len() - 1).sum()
    }

    fn fewest(&self) -> usize {
        self.0.values().map(Vec::len).min().unwrap_or_default()
    }
}

#[test]
fn many_agents_are_asked_by_turns_over_port_forwards_that_stay_and_nobody_while_nobody_looks() {
    let cluster = Cluster::new(&["--max-rps", "1"]);
    let one = cluster.web("one", 30, 1);
    for path in ["/a", "/b", "/c"] {
        cluster.node.request(&one, path);
    }
    let (api, network) = (&cluster.node.api, &cluster.node.lab.node);
    for number in 3..=AGENTS {
        let port = 9091 + number % 2;
        let address = format!("127.0.0.1:{port}");
        let at = [format!("node-{number}"), address, "/none".to_owned()];
        api.apply(PODS, agent_pod(number, &at));
        let name = format!("podmirror-{number}");
        let let_in = api.let_in("podmirror", &name, network, Path::new(PODMIRROR));
        let_in.unwrap();
    }
    let opened = || {
        let requests = api.requests().into_iter();
        requests.filter(|it| it.contains("/portforward")).count()
    };
    let page = Page::open(&cluster, &[]);
    assert_eq!(opened(), AGENTS, "each is asked once");
    thread::sleep(Duration::from_secs(3));
    assert_eq!(opened(), AGENTS, "nobody looks");

    let answers = RefCell::new(Answers::default());
    let begun = Instant::now();
    let books = page.wait_for_books(|books| {
        let mut answers = answers.borrow_mut();
        answers.add(books);
        answers.fewest() > 8
    });
    let passed = begun.elapsed().as_secs_f64();
    let asked = answers.borrow().later();
    // All of them are asked at once where the page took long to be looked at. Each second they would be half as many again.
    let most = PER_SECOND * passed + MADE_UP + AGENTS as f64;
    assert!(asked as f64 <= most, "{asked} in {passed} s");
    assert_eq!(books["agents_turn_seconds"], json!(2), "{books:#}");
    assert!(books["agents_oldest_seconds"].is_u64(), "{books:#}");
    // Each is there for all of these looks, unless the machine is so slow that agents close one, or do not answer in time.
    let more = opened() - AGENTS;
    assert!(
        2 * more < asked,
        "{more} more were opened for {asked} questions"
    );

    // Many are not asked by each browser for what was lost.
    let lost = || {
        let (status, lost) = page.get("/lost");
        assert_eq!(status, 200, "{lost}");
        serde_json::from_str::<Value>(&lost).unwrap()
    };
    let before = opened();
    let first = lost();
    assert_eq!(first["old"], json!(null));
    let second = lost();
    if second["old"] == json!(true) {
        assert_eq!(second["lost"], first["lost"]);
        // One that is silent is not asked, and a look for the page may still be going on.
        let opened = opened() - before;
        assert!(opened < 3 * AGENTS / 2, "{opened}");
    }
    drop(page);
    for agent in cluster.agents {
        agent.0.stop().unwrap();
    }
}
