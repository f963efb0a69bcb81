//! Counts of several nodes, and what they come to together.

use std::time::Duration;

use mirror_core::verdict::{Measured, Verdict};
use serde_json::json;

use super::{
    super::{compared::Judged, seen::Part},
    *,
};

/// How so many requests of a group went at both: each one's status.
fn went(comparison: &mut Comparison, count: usize, group: &str, statuses: [u16; 2]) {
    let [ours, theirs] = statuses.map(|status| Measured {
        status: Some(status),
        latency: Some(Duration::from_millis(1)),
    });
    (0..count).for_each(|_| comparison.count(group, &ours, &theirs));
}

/// The comparison of the `number`th mirror.
fn subject(number: u8) -> Subject {
    Subject::new("u", &number.to_string())
}

/// The counts of a node whose candidate fails so many of 100 requests to `/pay`, beside 200 others.
fn node(failing: usize) -> Counts {
    let mut comparison = Comparison::default();
    went(&mut comparison, 200, "GET /", [200, 200]);
    went(&mut comparison, failing, "GET /pay", [200, 500]);
    went(&mut comparison, 100 - failing, "GET /pay", [200, 200]);
    Counts::of(&comparison).of_subject(subject(7))
}

fn sum<'a>(all: impl IntoIterator<Item = &'a Counts>) -> Counted {
    let mut counted = Counted::default();
    let ours = subject(7);
    all.into_iter().for_each(|counts| counted.add(counts, ours));
    counted
}

#[test]
fn what_one_node_cannot_say_several_can() {
    let one = node(4);
    let alone = sum([&one]).judge(&Terms::default());
    assert_eq!(alone.verdict, Verdict::NotEnough);
    let all = vec![one; 6];
    let counted = sum(&all);
    let together = counted.judge(&Terms::default());
    assert_eq!(together.verdict, Verdict::Differs, "{together}");
    assert_eq!(together.compared, 1_800);
    assert_eq!(counted.worst(), Some("GET /pay"));
    // As one place would have said that saw all requests, but for what is not noted.
    let mut whole = Comparison::default();
    went(&mut whole, 1_776, "GET /", [200, 200]);
    went(&mut whole, 24, "GET /pay", [200, 500]);
    assert_eq!(
        together.findings,
        whole.overall(Terms::default().level, &Terms::default().margins)[..2]
    );
}

#[test]
fn counts_of_another_comparison_are_of_other_targets() {
    let old = node(100).of_subject(subject(6));
    let counted = sum([&old, &node(0)]);
    let report = counted.judge(&Terms::default());
    assert_eq!((report.compared, report.verdict), (300, Verdict::NotEnough));
    assert_eq!(counted.worst(), None);
}

#[test]
fn what_a_note_says_is_read_back() {
    let part = Part {
        attached: 1,
        counts: Some(node(4)),
        ..Part::default()
    };
    let text = serde_json::to_string(&part).unwrap();
    assert!(text.len() < 200, "{text}");
    assert_eq!(serde_json::from_str::<Part>(&text).unwrap(), part);
}

/// While agents are updated, the notes of both versions are read by both.
#[test]
fn notes_without_counts_and_with_more_than_is_known_are_read() {
    let before = json!({"s": 2, "a": 1, "c": 10, "l": 0}).to_string();
    let part: Part = serde_json::from_str(&before).unwrap();
    assert_eq!((part.selected, part.attached, part.counts), (2, 1, None));
    // What comes after this version.
    let later =
        json!({"s": 2, "a": 1, "v": {"k": subject(7), "f": [1, 0, 0, 0], "z": [1, 2]}}).to_string();
    let part: Part = serde_json::from_str(&later).unwrap();
    let counted = sum(part.counts.as_ref());
    assert_eq!(counted.judge(&Terms::default()).compared, 1);
    // Of which comparison they are, was not said.
    let generation: Counts = serde_json::from_value(json!({"g": 7, "f": [1, 0, 0, 0]})).unwrap();
    assert_eq!(sum([&generation]).judge(&Terms::default()).compared, 0);

    // As those before this version read it, who know four numbers and a reason.
    #[derive(Deserialize)]
    struct Before {
        #[serde(rename = "s")]
        selected: u32,
    }
    let part = Part {
        selected: 2,
        counts: Some(node(4)),
        ..Part::default()
    };
    let text = serde_json::to_string(&part).unwrap();
    assert_eq!(serde_json::from_str::<Before>(&text).unwrap().selected, 2);
}

/// Whoever may write the Leases of agents: nothing overflows, and a name stays in its line.
#[test]
fn no_note_breaks_the_sum() {
    let most = u64::MAX;
    let text = json!({
        "k": subject(7), "f": [most, most, most, most], "e": [most, 0, 0, most], "c": [most, most, most, most],
        "d": [most, most, most], "w": {"n": "GET /\u{1b}[31m".repeat(1_000), "x": most},
    });
    let hostile: Counts = serde_json::from_value(text).unwrap();
    let counted = sum(&vec![hostile; 10_000]);
    let _judged = Judged::new(&counted, &Terms::default());
    let worst = counted.worst().unwrap();
    assert!(
        worst.len() <= LONGEST_NAME && !worst.contains('\u{1b}'),
        "{worst:?}"
    );
}

#[test]
fn a_comparison_is_told_from_others_by_its_object_and_what_it_is_of() {
    let of = Subject::new("3f2c", "(targets)");
    assert_eq!(of, Subject::new("3f2c", "(targets)"));
    for (uid, text) in [
        ("3f2d", "(targets)"),
        ("3f2c", "(other)"),
        ("3f2c(", "targets)"),
    ] {
        assert_ne!(of, Subject::new(uid, text), "{uid} {text}");
    }
    assert_ne!(Subject::new("", ""), Subject::default());
    // Agents of several versions and machines have the same.
    assert_eq!(
        serde_json::to_string(&Subject::new("u", "a")).unwrap(),
        "2631090576002965"
    );
}

/// A client may send any method.
#[test]
fn groups_of_methods_that_clients_make_up_are_not_named() {
    let mut comparison = Comparison::default();
    went(
        &mut comparison,
        100,
        "BUY-NOW-AT-EXAMPLE (other)",
        [200, 500],
    );
    went(&mut comparison, 10, "POST /pay/*", [200, 500]);
    let counts = Counts::of(&comparison);
    assert_eq!(counts.worst.as_ref().unwrap().name, "POST /pay/*");
    assert_eq!(counts.without_groups().worst, None);
}
