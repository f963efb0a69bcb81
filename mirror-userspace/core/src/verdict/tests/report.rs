use std::time::Duration;

use crate::{
    counters::Sum as _,
    verdict::{Comparison, Counted, Measured, Report, Terms, Verdict},
};

fn compared() -> Comparison {
    let mut comparison = Comparison::default();
    for request in 0..300 {
        let path = ["GET /users", "GET /orders", "GET /pay"][request % 3];
        let us = 200 + u64::try_from(request % 7).unwrap() * 10;
        let good = Measured {
            status: Some(200),
            latency: Some(Duration::from_micros(us)),
        };
        let bad = Measured {
            status: Some(503),
            ..good
        };
        let theirs = if path == "GET /pay" { bad } else { good };
        comparison.count(path, &good, &theirs);
    }
    comparison.not_compared = 2;
    comparison
}

#[test]
fn people_read_what_differs_and_by_how_much() {
    let report = Report::new(&compared(), &Terms::default());
    assert_eq!(report.verdict, Verdict::Differs);
    let text = report.to_string();
    let mut lines = text.lines();
    let first = "verdict: differs (300 requests compared, 2 not, alpha 0.05)";
    assert_eq!(lines.next(), Some(first));
    let failures = "  failures       differs: 0.00 % at the baseline, 33.33 % at the candidate (";
    assert!(lines.next().unwrap().starts_with(failures), "{text}");
    let last =
        "  GET /pay: failures       differs: 0.00 % at the baseline, 100.00 % at the candidate (";
    assert!(lines.next_back().unwrap().starts_with(last), "{text}");
    assert_eq!(text.lines().count(), 6, "{text}");
}

#[test]
fn programs_read_stable_keys() {
    let report = serde_json::to_value(Report::new(&compared(), &Terms::default())).unwrap();
    let keys = |value: &serde_json::Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    let all = [
        "verdict",
        "compared",
        "not_compared",
        "ungrouped",
        "methods",
        "conditions",
        "alpha",
        "margins",
        "findings",
        "groups",
        "contents",
        "fields",
        "differences",
        "counts",
    ];
    assert_eq!(keys(&report), all);
    let finding = &report["groups"]["GET /pay"][0];
    let all = [
        "question",
        "verdict",
        "baseline",
        "candidate",
        "difference",
        "e_value",
    ];
    assert_eq!(keys(finding), all);
    assert_eq!(keys(&finding["difference"]), ["from", "to"]);
    // Nothing is known yet of the p99's upper end.
    assert!(report["findings"][3]["difference"]["to"].is_null());
    assert_eq!(report["findings"][3]["question"], "latency p99");
}

/// What a place writes is read by another one, which says what one place would have said.
#[test]
fn counts_of_several_places_add_up() {
    let (mut sum, mut whole) = (Comparison::default(), Comparison::default());
    let good = Measured {
        status: Some(200),
        latency: None,
    };
    let bad = Measured {
        status: None,
        ..good
    };
    for place in 0..3 {
        let mut comparison = Comparison::default();
        for request in 0..200 {
            let theirs = if (request + place) % 40 == 0 {
                bad
            } else {
                good
            };
            comparison.count("GET /a", &good, &theirs);
            whole.count("GET /a", &good, &theirs);
        }
        comparison.not_compared = 1;
        whole.not_compared += 1;
        let report = Report::new(&comparison, &Terms::default());
        assert_eq!(report.verdict, Verdict::NotEnough, "of one place alone");
        let text = serde_json::to_string(&report).unwrap();
        let read: Counted = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&read.counts, read.terms()),
            (&comparison, Terms::default())
        );
        sum.add(&read.counts);
    }
    assert_eq!(sum, whole);
    let report = Report::new(&sum, &Terms::default());
    assert_eq!(report.verdict, Verdict::Differs);
}

#[test]
fn buckets_beyond_the_last_are_refused() {
    let report = Report::new(&compared(), &Terms::default());
    let mut json = serde_json::to_value(&report).unwrap();
    json["counts"]["overall"]["latency"]["baseline"]["971"] = 1.into();
    let error = serde_json::from_value::<Counted>(json).unwrap_err();
    assert!(error.to_string().contains("no bucket"), "{error}");
}
