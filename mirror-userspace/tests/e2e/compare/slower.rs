//! A candidate that takes longer for few of its replies, live: which route that is is said, and of others nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use lab::{Family, Host, Lab};
use serde_json::Value;

use super::served::{Client, Mode, Versions};
use crate::{
    mirror::{Mirror, podmirror},
    versions::{Answer, plants::differing},
};

/// One in so many replies of one route takes longer.
const ONE_IN: usize = 20;
/// By so many milliseconds, or by so many times the baseline's own p99: where other programs want the processors, that is
/// beyond 30 ms, and nobody could tell.
const LONGER: u64 = 30;
const TIMES: f64 = 3.0;

/// Connections of clients, each with one request at a time.
const CLIENTS: usize = 4;
/// Requests of each between two looks, half of them to each route.
const REQUESTS: usize = 50;
/// Looks: mostly ten are enough.
const LOOKS: usize = 100;

/// One of the versions, of which 1 is the candidate: it takes so many milliseconds longer.
fn version(number: u64, longer: Arc<AtomicU64>) -> impl Fn(&str) -> Answer + Send + Sync + 'static {
    let asked = AtomicUsize::new(0);
    move |path| {
        let is_slow = number == 1 && path == "/slow";
        if is_slow && asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(ONE_IN) {
            let longer = longer.load(Ordering::Relaxed);
            thread::sleep(Duration::from_millis(longer));
        }
        Answer::good()
    }
}

/// The p99 of the baseline's replies on a route, in milliseconds.
fn p99(report: &Value, group: &str) -> f64 {
    let mut findings = report["groups"][group].as_array().unwrap().iter();
    let found = findings.find(|it| it["question"] == "latency p99");
    1_000.0 * found.unwrap()["baseline"].as_f64().unwrap()
}

/// What is said so far.
fn ask(socket: &str) -> Value {
    let asked = podmirror(["verdict", "--admin-socket", socket]).output();
    let asked = asked.unwrap();
    let found: Value = serde_json::from_slice(&asked.stdout).unwrap();
    let mut rules = found["rules"].as_object().unwrap().values();
    rules.next().unwrap().clone()
}

fn the_tail_is_named(http2: bool) {
    let lab = Lab::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let socket = socket.to_str().unwrap();
    let longer = Arc::new(AtomicU64::new(LONGER));
    let mode = Mode { http2, v1: false };
    let version = |number| version(number, Arc::clone(&longer));
    let mut versions = Versions::start(&lab, mode, version);
    let targets = versions.flags();
    let mut flags: Vec<_> = targets[2..].iter().map(String::as_str).collect();
    flags.extend(["--admin-socket", socket]);
    let mirror = Mirror::start(&lab, &targets[1], &flags);
    let v1 = Host::V1.address(Family::V4, 80);
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| Client::connect(&lab, v1, http2))
        .collect();
    let mut report = Value::Null;
    let is_named = (0..LOOKS).any(|_| {
        for number in 0..REQUESTS {
            let path = ["/slow", "/other"][number % 2];
            for client in &mut clients {
                client.ask(&("GET", path.to_owned()));
            }
            versions.wait_for(CLIENTS);
        }
        report = ask(socket);
        let noise = Duration::from_secs_f64(TIMES * p99(&report, "GET /slow") / 1_000.0);
        longer.fetch_max(noise.as_millis().try_into().unwrap(), Ordering::Relaxed);
        let differing = differing(&report);
        let of_others = differing.iter().filter(|it| it.0 != "GET /slow");
        assert_eq!(of_others.count(), 0, "{report:#}");
        differing.iter().any(|it| it.1 == "latency p99")
    });
    let took = longer.load(Ordering::Relaxed);
    let compared = &report["compared"];
    eprintln!("named after {compared} requests, of which one in 40 took {took} ms longer");
    assert!(is_named, "{report:#}");
    for (group, question) in differing(&report) {
        let is_latency = group == "GET /slow" && question.starts_with("latency");
        assert!(is_latency, "{group}: {question}: {report:#}");
    }
    mirror.stop();
}

#[test]
fn a_slower_tail_is_named_with_its_route_and_nothing_else_is() {
    the_tail_is_named(false);
}

#[test]
fn a_slower_tail_is_named_over_http2() {
    the_tail_is_named(true);
}
