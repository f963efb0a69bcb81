//! Two versions get the requests of a capture: what differs is named, with its group, and nothing else.

mod planted;
mod told;
mod with_v1;
mod with_v1_http2;

use std::{thread, time::Duration};

use serde_json::json;

use crate::{
    capture::{Capture, get},
    loopback::version,
    program::{Ended, replay},
    versions::{
        Answer,
        plants::{self, Named},
    },
};

/// So many requests to `/users` and as many to `/pay`, numbered.
fn traffic(requests: usize) -> Vec<u8> {
    let mut capture = Capture::new();
    let mut clients: Vec<_> = (1..=20).map(|port| capture.connect(port)).collect();
    for request in 0..requests {
        for route in ["users", "pay"] {
            let place = (2 * request + usize::from(route == "pay")) % clients.len();
            capture.say(&mut clients[place], get(&format!("/{route}/{request}")));
        }
    }
    capture.bytes()
}

/// Replays them to a candidate that answers so, and to two good baselines.
fn compare(requests: usize, candidate: &str, baselines: &[&str], flags: &[&str]) -> Ended {
    let mut all = vec!["--speed", "max", "--compare-rate", "100%"];
    let candidate = format!("{candidate},role=candidate");
    let baselines: Vec<_> = baselines
        .iter()
        .map(|it| format!("{it},role=baseline"))
        .collect();
    for target in baselines.iter().chain([&candidate]) {
        all.extend(["--target", target]);
    }
    all.extend(flags);
    replay(&traffic(requests), &all).balanced()
}

/// Latency is another test's.
const ANY_LATENCY: [&str; 2] = ["--latency-margin", "100000%"];

/// A candidate that answers `/pay` as this makes of a good answer, with two good baselines.
fn planted(change: impl Fn(&mut Answer) + Send + Sync + 'static, flags: &[&str]) -> Ended {
    let good = || version(|_| Answer::good());
    let candidate = version(move |target| {
        let mut answer = Answer::good();
        if target.starts_with("/pay") {
            change(&mut answer);
        }
        answer
    });
    let flags = [&ANY_LATENCY[..], flags].concat();
    compare(80, &candidate, &[&good(), &good()], &flags)
}

/// What differs in groups.
fn differing(ended: &Ended) -> Named {
    plants::differing(&ended.ledger["verdict"])
}

fn on_pay(names: &[&str]) -> Named {
    names
        .iter()
        .map(|it| ("GET /pay".to_owned(), (*it).to_owned()))
        .collect()
}

#[test]
fn what_was_said_not_to_matter_does_not() {
    let flags = [
        "--ignore-header",
        "x-total",
        "--ignore-json",
        "$.items[].id",
        "--unordered",
        "$.tags",
        "--json-tolerance",
        "60%",
    ];
    let plant = |answer: &mut Answer| {
        answer.remove("X-Total");
        answer.body =
            br#"{"tags":["b","a"],"total":3,"items":[{"id":7,"price":9.6},{"price":1}]}"#.to_vec();
    };
    assert_eq!(differing(&planted(plant, &flags)), []);
    assert_eq!(differing(&planted(plant, &[])).len(), 5);
}

/// A correct gzip at both is no difference, and neither is none at one of them but for its header.
#[test]
fn encodings_are_not_contents() {
    let plant = |answer: &mut Answer| {
        *answer = answer.clone().gzip();
    };
    assert_eq!(
        differing(&planted(plant, &[])),
        on_pay(&["header content-encoding"])
    );
}

/// Every fiftieth request to one of two routes fails; the others are as they were.
#[test]
fn a_failure_of_one_route_in_fifty_is_named() {
    let good = version(|_| Answer::good());
    let candidate = version(|target| {
        let number = target
            .strip_prefix("/pay/")
            .and_then(|it| it.parse::<usize>().ok());
        let mut answer = Answer::good();
        if number.is_some_and(|number| number % 50 == 0) {
            answer.status = 503;
            answer.body = Vec::new();
        }
        answer
    });
    let flags = [&ANY_LATENCY[..], &["--max-memory", "64M"]].concat();
    let ended = compare(2_500, &candidate, &[&good], &flags);
    assert_eq!(differing(&ended), on_pay(&["failures"]));
}

/// Each reply of one of two routes takes 200 ms more. (Few of them that do are another matter at full speed: who waits for
/// them is asked later than the other, when the machine has something else to do.)
#[test]
fn a_slower_route_is_named() {
    let good = version(|_| Answer::good());
    let candidate = version(|target| {
        if target.starts_with("/pay") {
            thread::sleep(Duration::from_millis(200));
        }
        Answer::good()
    });
    let flags = ["--reply-timeout", "60s", "--drain", "120s"];
    let named = differing(&compare(200, &candidate, &[&good], &flags));
    assert!(named.contains(&on_pay(&["latency p50"])[0]), "{named:?}");
    let is_latency = |it: &(String, String)| it.1.starts_with("latency");
    assert!(named.iter().all(is_latency), "{named:?}");
}

#[test]
fn hostile_replies_are_counted_and_leave_the_rest_alone() {
    let many = (0..1_000_000)
        .map(|it| format!("{{\"{it}\":"))
        .collect::<String>();
    let candidate = version(move |target| {
        let number: usize = target.rsplit('/').next().unwrap().parse().unwrap();
        let mut answer = Answer::good();
        match number % 4 {
            0 => answer.body = "[".repeat(60_000).into_bytes(),
            1 => answer.body = many.clone().into_bytes(),
            2 => {
                answer.body = vec![b' '; 4 << 20];
                answer = answer.gzip();
            }
            _ => {}
        }
        answer
    });
    let good = version(|_| Answer::good());
    let ended = compare(
        8,
        &candidate,
        &[&good],
        &["--reply-body-timeout", "60s", "--drain", "60s"],
    );
    let contents = &ended.ledger["verdict"]["contents"];
    assert_eq!(contents["compared"], 4, "{contents:#}");
    let not_compared = &contents["not_compared"];
    assert_eq!(
        (&not_compared["too_deep"], &not_compared["too_long"]),
        (&json!(4), &json!(8))
    );
    assert_eq!(differing(&ended), []);
}
