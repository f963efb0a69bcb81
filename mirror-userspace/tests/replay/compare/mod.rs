//! Two versions get the requests of a capture: what differs is named, with its group, and nothing else.

mod told;
mod with_v1;
mod with_v1_http2;

use std::{thread, time::Duration};

use mirror_core::random::Random;
use serde_json::{Value, json};

use crate::{
    capture::{Capture, get},
    program::{Ended, replay},
    versions::{Answer, document, version},
};

/// What differs where: a question or a field, in all requests or in a group.
type Named = Vec<(String, String)>;

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
    let verdict = &ended.ledger["verdict"];
    let differs = |it: &&Value| it["verdict"] == "differs";
    let mut named = Vec::new();
    for (group, findings) in verdict["groups"].as_object().unwrap() {
        for finding in findings.as_array().unwrap().iter().filter(differs) {
            // Which fields, is said below.
            if finding["question"] != "contents" {
                named.push((
                    group.clone(),
                    finding["question"].as_str().unwrap().to_owned(),
                ));
            }
        }
    }
    for field in verdict["fields"].as_array().unwrap().iter().filter(differs) {
        if let Some(group) = field["group"].as_str() {
            named.push((
                group.to_owned(),
                field["field"].as_str().unwrap().to_owned(),
            ));
        }
    }
    named.sort();
    named
}

fn on_pay(names: &[&str]) -> Named {
    names
        .iter()
        .map(|it| ("GET /pay".to_owned(), (*it).to_owned()))
        .collect()
}

fn body(document: &Value) -> Vec<u8> {
    document.to_string().into_bytes()
}

#[test]
fn each_planted_difference_is_named_with_its_group_and_nothing_else_is() {
    type Plant = fn(&mut Answer);
    let plants: [(&[&str], Plant); 7] = [
        (&["header x-total"], |answer| {
            answer.fields.retain(|it| it.0 != "X-Total")
        }),
        (&["json $.total"], |answer| {
            let mut document = document();
            document["total"] = json!(3);
            answer.body = body(&document);
        }),
        (&["json $.items[].cost", "json $.items[].price"], |answer| {
            let text = document().to_string().replace("price", "cost");
            answer.body = text.into_bytes();
        }),
        (&["json $.items[] order"], |answer| {
            let mut document = document();
            document["items"].as_array_mut().unwrap().reverse();
            answer.body = body(&document);
        }),
        (&["body encoding", "header content-encoding"], |answer| {
            answer.fields.push(("Content-Encoding", "gzip".to_owned()));
        }),
        (&["status"], |answer| answer.status = 201),
        (&["body"], |answer| answer.body = b"<html>".to_vec()),
    ];
    for (names, plant) in plants {
        let ended = planted(plant, &[]);
        assert_eq!(ended.ledger["verdict"]["verdict"], "differs", "{names:?}");
        assert_eq!(
            differing(&ended),
            on_pay(names),
            "{:#}",
            ended.ledger["verdict"]
        );
        assert_eq!(ended.ledger["verdict"]["contents"]["compared"], 160);
        let said = format!("GET /pay: {} differs: in 100.00 % of replies", names[0]);
        assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    }
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
        answer.fields.retain(|it| it.0 != "X-Total");
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
        answer.gzip = true;
        answer.fields.push(("Content-Encoding", "gzip".to_owned()));
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

/// Every 25th request to one of two routes takes 100 ms more, which no scheduler takes as often.
#[test]
fn a_slower_tail_is_named() {
    let good = version(|_| Answer::good());
    let candidate = version(|target| {
        let number = target
            .strip_prefix("/pay/")
            .and_then(|it| it.parse::<usize>().ok());
        if number.is_some_and(|number| number % 25 == 0) {
            thread::sleep(Duration::from_millis(100));
        }
        Answer::good()
    });
    // More connections would wait for a processor, at both.
    let ended = compare(2_500, &candidate, &[&good], &["--target-connections", "4"]);
    let named = differing(&ended);
    assert!(named.contains(&on_pay(&["latency p99"])[0]), "{named:?}");
    assert!(
        named
            .iter()
            .all(|(_, question)| question.starts_with("latency")),
        "{named:?}"
    );
}

/// Versions that are equal, and noisy: values drawn anew for each reply, fields that come and go.
#[test]
fn equal_versions_never_differ() {
    for seed in 0..10 {
        let versions = [0, 1, 2].map(|number| {
            version(move |target| {
                // Drawn by request, so that it does not matter who is asked first.
                let drawn: u64 = target.bytes().fold(3 * seed + number, |drawn, byte| {
                    (drawn ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                });
                let mut random = Random::new(drawn);
                let mut document = document();
                document["at"] = json!(random.below(1 << 30));
                if random.one_in(3) {
                    document["hint"] = json!("maybe");
                }
                if random.one_in(2) {
                    document["tags"].as_array_mut().unwrap().reverse();
                }
                let mut answer = Answer::of(&document);
                if random.one_in(20) {
                    answer.fields.push(("X-Cached", "1".to_owned()));
                }
                if random.one_in(30) {
                    answer.status = 503;
                }
                answer
            })
        });
        let [first, second, candidate] = &versions;
        for baselines in [&[&**first, second][..], &[first]] {
            let ended = compare(150, candidate, baselines, &ANY_LATENCY);
            assert_eq!(differing(&ended), [], "seed {seed}");
            assert_eq!(ended.ledger["verdict"]["verdict"], "not enough yet");
            let says = ended.stderr.contains("maybe by themselves (");
            assert_eq!(says, baselines.len() == 1, "{}", ended.stderr);
        }
    }
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
                answer.gzip = true;
                answer.fields.push(("Content-Encoding", "gzip".to_owned()));
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
