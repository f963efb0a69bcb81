//! Conditions, and when they change.

use mirror_core::verdict::Terms;

use super::{
    super::counts::{Counted, Subject},
    *,
};

const NOW: &str = "2026-01-01T00:00:00Z";

fn told(seen: &SeenDocument, whole: &Whole) -> String {
    let status = status(seen, whole, &Value::Null, NOW);
    let conditions = status["conditions"].as_array().unwrap().iter();
    let text = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
    let each = conditions.map(|it| format!("{}={}", text(it, "status"), text(it, "reason")));
    each.collect::<Vec<_>>().join(" ")
}

fn whole(selected: u64, attached: u64, copies: u64, lost: u64) -> Whole {
    Whole {
        nodes: 1,
        selected,
        attached,
        copies,
        lost,
        held_back: 0,
        left_out: 0,
        why: None,
        judged: None,
    }
}

#[test]
fn each_state_has_its_reasons() {
    let good = SeenDocument {
        rules: 1,
        ..SeenDocument::default()
    };
    let remark = Remark {
        reason: "TargetRefused",
        text: "spec.targets[0].namespace: needs a grant".into(),
    };
    let refused = SeenDocument {
        remarks: vec![remark.clone()],
        ..SeenDocument::default()
    };
    let partly = SeenDocument {
        rules: 1,
        ..refused.clone()
    };
    let suspended = SeenDocument {
        suspended: true,
        ..SeenDocument::default()
    };
    let unreachable = SeenDocument {
        unreachable: vec!["v2: no endpoint is ready".into()],
        ..good.clone()
    };
    let source = SeenDocument {
        sources: vec!["v2: is v1".into(), "v3: is v1".into()],
        ..good.clone()
    };
    let partly_source = SeenDocument {
        partly_sources: vec!["v2: one is v1".into()],
        ..good.clone()
    };
    for (seen, whole, expected) in [
        (
            &source,
            whole(1, 1, 0, 0),
            "True=Accepted True=AllPods True=TargetIsSource",
        ),
        (
            &partly_source,
            whole(1, 1, 0, 0),
            "True=Accepted True=AllPods False=TargetIsPartlySource",
        ),
        (
            &good,
            whole(2, 2, 100, 0),
            "True=Accepted True=AllPods False=AsExpected",
        ),
        (
            &good,
            whole(2, 1, 0, 0),
            "True=Accepted False=NotAllPods False=AsExpected",
        ),
        (
            &good,
            whole(0, 0, 0, 0),
            "True=Accepted False=NoPods False=AsExpected",
        ),
        (
            &good,
            whole(1, 1, 900, 10),
            "True=Accepted True=AllPods True=LosingCopies",
        ),
        (
            &good,
            whole(1, 1, 2_000, 10),
            "True=Accepted True=AllPods False=AsExpected",
        ),
        (
            &good,
            whole(1, 1, 0, 9),
            "True=Accepted True=AllPods False=AsExpected",
        ),
        (
            &refused,
            whole(0, 0, 0, 0),
            "False=TargetRefused False=NotAccepted False=AsExpected",
        ),
        (
            &partly,
            whole(1, 1, 0, 0),
            "True=PartlyRefused True=AllPods False=AsExpected",
        ),
        (
            &suspended,
            whole(0, 0, 0, 0),
            "True=Suspended False=Suspended False=AsExpected",
        ),
        (
            &unreachable,
            whole(1, 1, 0, 0),
            "True=Accepted True=AllPods True=NoEndpoint",
        ),
    ] {
        assert_eq!(told(seen, &whole), expected);
    }
    let nothing = SeenDocument::default();
    assert!(told(&nothing, &whole(0, 0, 0, 0)).starts_with("False=NothingToMirror"));
}

#[test]
fn the_time_of_a_condition_is_that_of_its_last_change() {
    let mut seen = SeenDocument {
        rules: 1,
        ..SeenDocument::default()
    };
    let first = status(&seen, &whole(1, 1, 0, 0), &Value::Null, NOW);
    let same = status(&seen, &whole(1, 1, 0, 0), &first, "later");
    assert_eq!(same, first);
    seen.unreachable.push("v2: no endpoint is ready".into());
    seen.identity.generation = 2;
    let other = status(&seen, &whole(1, 1, 0, 0), &first, "later");
    let times = other["conditions"].as_array().unwrap().iter();
    let times: Vec<_> = times.map(|it| it["lastTransitionTime"].clone()).collect();
    assert_eq!(times, [json!(NOW), json!(NOW), json!("later")]);
    assert_eq!(other["observedGeneration"], 2);
}

#[test]
fn figures_alone_are_told_from_conditions() {
    let seen = SeenDocument {
        rules: 1,
        ..SeenDocument::default()
    };
    let of = |whole: &Whole| status(&seen, whole, &Value::Null, NOW);
    let first = of(&whole(1, 1, 100, 0));
    assert!(differ_by_figures(&first, &of(&whole(1, 1, 200, 0))));
    assert!(!differ_by_figures(&first, &of(&whole(2, 1, 100, 0))));
    assert!(!differ_by_figures(&Value::Null, &first));
}

#[test]
fn pods_that_are_not_counted_are_not_said_to_be_none() {
    let seen = SeenDocument {
        rules: 1,
        ..SeenDocument::default()
    };
    let of = |selected| {
        let whole = Whole {
            left_out: 2,
            ..whole(selected, selected, 0, 0)
        };
        let attached = attached(&seen, &whole);
        (attached.holds, attached.reason, attached.message)
    };
    let (holds, reason, message) = of(0);
    assert_eq!((holds, reason), (false, "NotCounted"));
    assert!(
        message.contains("2 node(s) with too many mirrors"),
        "{message}"
    );
    let (holds, reason, message) = of(1);
    assert_eq!((holds, reason), (true, "AllPods"));
    assert!(
        message.contains("2 node(s) with too many mirrors"),
        "{message}"
    );
}

/// What so many requests come to of which so many fail at the candidate alone.
fn judged(requests: u64, failing: u64) -> Whole {
    let counts = json!({
        "f": [requests - failing, 0, 0, failing], "e": [requests, 0, 0, 0],
        "w": {"n": "GET /pay", "x": 1},
    });
    let mut counted = Counted::default();
    counted.add(&serde_json::from_value(counts).unwrap(), Subject::default());
    Whole {
        judged: Some(Judged::new(&counted, &Terms::default())),
        ..whole(1, 1, 0, 0)
    }
}

fn compares() -> SeenDocument {
    SeenDocument {
        rules: 1,
        comparison: Some(Comparing::AsAsked(Subject::default())),
        ..SeenDocument::default()
    }
}

#[test]
fn a_verdict_has_a_condition_with_figures_of_two_digits() {
    for (whole, verdict, holds, message) in [
        (
            judged(20, 0),
            "NotEnough",
            "False",
            "not enough yet: 20 requests say nothing sure of failures, client errors",
        ),
        (
            judged(312, 104),
            "Differs",
            "True",
            "differs: failures 0 % at the baseline, 33 % at the candidate; of 310 requests, worst GET /pay",
        ),
        (
            judged(50_400, 0),
            "Same",
            "True",
            "same: failures, client errors, of 50000 requests",
        ),
    ] {
        let status = status(&compares(), &whole, &Value::Null, NOW);
        let condition = &status["conditions"][3];
        assert_eq!(status["verdict"], verdict);
        assert_eq!(condition["type"], "Compared");
        assert_eq!(condition["status"], holds);
        assert_eq!(condition["reason"], verdict);
        assert_eq!(condition["message"], message);
    }
}

#[test]
fn counts_that_grow_change_a_status_little_and_rarely() {
    let of = |whole: &Whole| status(&compares(), whole, &Value::Null, NOW);
    assert_eq!(of(&judged(30_100, 0)), of(&judged(30_400, 0)));
    assert!(differ_by_figures(
        &of(&judged(30_000, 0)),
        &of(&judged(40_000, 0))
    ));
    assert!(!differ_by_figures(
        &of(&judged(30_000, 0)),
        &of(&judged(300, 100))
    ));
}

#[test]
fn who_cannot_compare_is_told_so() {
    let remark = Remark {
        reason: "RepliesOff",
        text: "v1's replies are not captured".into(),
    };
    let seen = SeenDocument {
        comparison: Some(Comparing::Not(remark)),
        ..compares()
    };
    assert_eq!(
        told(&seen, &whole(1, 1, 0, 0)),
        "True=Accepted True=AllPods True=RepliesOff False=RepliesOff"
    );
}

/// A patch leaves what it does not name.
#[test]
fn a_verdict_goes_with_the_comparison() {
    let seen = SeenDocument {
        rules: 1,
        ..SeenDocument::default()
    };
    let before = status(&compares(), &judged(300, 100), &Value::Null, NOW);
    let after = status(&seen, &whole(1, 1, 0, 0), &before, NOW);
    assert_eq!(after.get("verdict"), Some(&Value::Null));
    assert_eq!(after["conditions"].as_array().unwrap().len(), 3);
    assert_eq!(status(&seen, &whole(1, 1, 0, 0), &after, NOW), after);
    let never = status(&seen, &whole(1, 1, 0, 0), &Value::Null, NOW);
    assert_eq!(never.get("verdict"), None);
}

/// The group is the one that fails most, which says nothing of contents.
#[test]
fn where_contents_alone_differ_no_group_is_named() {
    let counts = json!({
        "f": [30_000, 0, 0, 1], "e": [30_001, 0, 0, 0], "c": [0, 0, 0, 30_000], "d": [0, 0, 0],
        "w": {"n": "GET /pay", "x": 1},
    });
    let mut counted = Counted::default();
    counted.add(&serde_json::from_value(counts).unwrap(), Subject::default());
    let whole = Whole {
        judged: Some(Judged::new(&counted, &Terms::default())),
        ..whole(1, 1, 0, 0)
    };
    let status = status(&compares(), &whole, &Value::Null, NOW);
    let message = status["conditions"][3]["message"].as_str().unwrap();
    assert!(message.starts_with("differs: contents "), "{message}");
    assert!(!message.contains("worst"), "{message}");
}
