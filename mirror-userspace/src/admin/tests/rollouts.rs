//! `deploy/rollouts`: what it asks for is there.

use std::{fs, path::Path};

use mirror_core::{
    segment::Time,
    verdict::{Difference, Measured, Report, Terms, Values},
};

use super::{owner::mirror, *};
use crate::admin::{
    ShownMirror, Snapshot, render,
    tests::exposition,
    verdict::{Answers, Asked},
};

/// The files of `deploy/rollouts`, with the values that their arguments have.
fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rollouts");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    files
        .map(|file| {
            let text = fs::read_to_string(file.path()).unwrap();
            let name = file.file_name().into_string().unwrap();
            (name, text.replace("{{args.rule}}", "flags"))
        })
        .collect()
}

/// `podmirror_a{b="c",d="e"}` in a text: names with their labels.
fn queries(text: &str) -> Vec<(&str, Vec<(&str, &str)>)> {
    let starts = text
        .match_indices("(podmirror_")
        .map(|(at, _)| &text[at + 1..]);
    starts
        .map(|rest| {
            let end = rest
                .find(|it: char| !it.is_alphanumeric() && it != '_')
                .unwrap();
            let (name, rest) = rest.split_at(end);
            let labels = rest.strip_prefix('{').and_then(|it| it.split_once('}'));
            let labels = labels
                .map_or("", |it| it.0)
                .split(',')
                .filter(|it| !it.is_empty());
            let labels = labels.map(|label| {
                let (name, value) = label.split_once('=').unwrap();
                (name, value.trim_matches('"'))
            });
            (name, labels.collect())
        })
        .collect()
}

fn compares() -> Snapshot {
    let mut compares = mirror("flags", "http://v2");
    compares.names.terms = Some(Terms::default());
    Snapshot {
        mirrors: vec![compares],
        ..Snapshot::default()
    }
}

#[test]
fn who_asks_again_about_a_snapshot_has_it_judged_only_once() {
    let (answers, snapshot) = (Answers::default(), compares());
    let ask = |query| answers.to(&Asked::read(Some(query)).unwrap(), &snapshot);
    for query in ["", "rule=flags"] {
        let [first, again] = [query, query].map(|query| ask(query).unwrap().1);
        assert_eq!(first, again);
        assert_eq!(first.as_ptr(), again.as_ptr(), "{query}: written anew");
    }
    assert!(ask("rule=other").is_none());
}

#[test]
fn every_query_finds_a_series() {
    let page = exposition::read(&render(&compares())).unwrap();
    let mut found = 0;
    for (name, text) in files() {
        for (metric, labels) in queries(&text) {
            let value = page.value(metric, &labels);
            assert!(value.is_some(), "{name}: {metric} {labels:?}");
            found += 1;
        }
        // What is compared with, is what is said.
        for quoted in text
            .lines()
            .filter(|line| line.contains("Condition: result =="))
        {
            let said = ["\"same\"", "\"differs\""];
            assert!(
                said.iter().any(|said| quoted.ends_with(said)),
                "{name}: {quoted}"
            );
        }
    }
    assert_eq!(found, 4);
}

/// Values of replies are for those who asked for a file of them, and not for everyone who can connect.
#[tokio::test]
async fn values_are_not_shown() {
    let mut mirrors = compares().mirrors;
    let difference = Difference {
        at: Time::default(),
        group: "GET /a".into(),
        request: "GET /a?token=hunter2".into(),
        values: vec![Values {
            field: "json $.name".into(),
            baseline: Some("hunter2".into()),
            candidate: None,
        }],
    };
    mirrors[0].counted.comparison.keep_difference(difference, 1);
    let kept = Report::new(&mirrors[0].counted.comparison, &Terms::default());
    assert_eq!(kept.differences.len(), 1);
    let owner = Owner {
        mirrors,
        ..Owner::new()
    };
    let admin = answered(patient(), owner).await;
    for path in ["/verdict", "/metrics", "/ledger"] {
        let reply = get(admin.address(), path).await;
        assert!(!reply.body.contains("hunter2"), "{}", reply.body);
    }
}

/// Argo's web provider takes any status but 2xx for an error; Flagger's webhooks want what is not yet
/// the same to be none.
#[tokio::test]
async fn the_status_is_that_of_the_verdict_unless_one_wants_200() {
    let owner = Owner {
        mirrors: compares().mirrors,
        ..Owner::new()
    };
    let admin = answered(patient(), owner).await;
    for (path, status) in [("/verdict", 425), ("/verdict?status=200", 200)] {
        let reply = get(admin.address(), path).await;
        assert_eq!(reply.status, status, "{path}");
        assert!(
            reply.body.contains("\"verdict\":\"not enough yet\""),
            "{}",
            reply.body
        );
    }
    let asked: Vec<_> = files()
        .into_iter()
        .filter(|(_, text)| text.contains("/verdict?status=200&rule=flags"))
        .collect();
    assert_eq!(asked.len(), 1);
    let waits = |(_, text): &(String, String)| text.contains("/verdict?rule=flags");
    assert_eq!(files().into_iter().filter(waits).count(), 1);
    // Where nothing is compared, that is no verdict.
    let admin = answered(patient(), Owner::new()).await;
    for path in ["/verdict", "/verdict?status=200"] {
        assert_eq!(get(admin.address(), path).await.status, 404, "{path}");
    }
}

/// Whoever may write documents must not decide what the operator's rollout waits for.
#[tokio::test]
async fn a_documents_rule_decides_only_where_it_is_asked_for_or_the_flags_compare_nothing() {
    let document = "TrafficMirror shop/web";
    let judged = |rule: &str, failing: bool| {
        let mut mirror = compares().mirrors.remove(0);
        mirror.rule = rule.to_owned();
        let measured = |status| Measured {
            status: Some(status),
            latency: None,
        };
        let theirs = measured(if failing { 500 } else { 200 });
        for _ in 0..20_000 {
            let comparison = &mut mirror.counted.comparison;
            comparison.count("GET /", &measured(200), &theirs);
        }
        mirror
    };
    let answers = async |mirrors: Vec<ShownMirror>, asked: &[(&str, u16)]| {
        let owner = Owner {
            mirrors,
            ..Owner::new()
        };
        let admin = answered(patient(), owner).await;
        for (path, status) in asked {
            let reply = get(admin.address(), path).await;
            assert_eq!(reply.status, *status, "{path}: {}", reply.body);
        }
        get(admin.address(), "/verdict").await.body
    };
    let (same, differs) = (judged("flags", false), judged(document, true));
    let asked = [
        ("/verdict", 200),
        ("/verdict?rule=flags", 200),
        ("/verdict?rule=TrafficMirror%20shop/web", 409),
        ("/verdict?rule=TrafficMirror%20shop/web&status=200", 200),
        ("/verdict?rule=other", 404),
        ("/verdict?rules=other", 400),
    ];
    let all = answers(vec![same, differs.clone()], &asked).await;
    // Which are all there, for those who read on.
    assert!(all.contains(document), "{all}");
    let flags = mirror("flags", "http://v2");
    let asked = [("/verdict", 409), ("/verdict?rule=flags", 404)];
    answers(vec![flags, differs], &asked).await;
}
