//! Notes, and what they add up to.

use super::{
    super::{counts::Subject, seen::Comparing},
    *,
};

fn parts(attached: u32) -> Parts {
    let part = Part {
        selected: 2,
        attached,
        held_back: 30,
        ..Part::default()
    };
    Parts::from([("TrafficMirror default/web".to_owned(), part)])
}

fn noted(name: &str, version: &str, text: &str) -> DynamicObject {
    let mut lease = lease(name, "podmirror", "a", None, text, "now");
    lease["metadata"]["resourceVersion"] = json!(version);
    serde_json::from_value(lease).unwrap()
}

/// One page a Lease.
fn list(others: &mut Others, leases: Vec<DynamicObject>, now: Instant) {
    let mut listed = Listed::default();
    for lease in leases {
        others.on_page(&mut listed, vec![lease], "podmirror-me", now);
    }
    others.on_listed(listed);
}

/// What all nodes have of a mirror, of which this is what this one has.
fn on_all(others: &Others, title: &str, own: &Part, now: Instant) -> Whole {
    let document = SeenDocument {
        part: own.clone(),
        ..SeenDocument::default()
    };
    others.whole(title, &document, &Terms::default(), None, now)
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_note_is_written_on_change_and_renewed_while_it_says_something() {
    let mut own = Note::default();
    let start = Instant::now();
    assert_eq!(own.due(&Parts::new(), start), None, "nothing to say");
    assert!(own.due(&parts(1), start).is_some());
    own.on_written(parts(1), start);
    let mut busy = parts(1);
    busy.values_mut().for_each(|part| part.copies = 700);
    assert_eq!(own.due(&busy, start + 59 * SECOND), None, "figures");
    assert!(own.due(&busy, start + 60 * SECOND).is_some());
    assert_eq!(own.due(&parts(1), start + 59 * SECOND), None, "the same");
    assert_eq!(own.due(&parts(2), start + 9 * SECOND), None, "too soon");
    assert!(own.due(&parts(2), start + 10 * SECOND).is_some());
    assert!(own.due(&parts(1), start + 60 * SECOND).is_some(), "renewed");
    assert!(own.due(&Parts::new(), start + 10 * SECOND).is_some());
    own.on_written(Parts::new(), start + 10 * SECOND);
    assert_eq!(own.due(&Parts::new(), start + 999 * SECOND), None);
}

/// What is compared comes with each request; which comparison it is, matters at once.
#[tokio::test]
async fn counts_are_figures_and_what_they_are_of_is_not() {
    let compares = |subject: u64, requests: u64| {
        let counts = json!({"k": subject, "f": [requests, 0, 0, 0]});
        let counts: Counts = serde_json::from_value(counts).unwrap();
        let mut parts = parts(1);
        for part in parts.values_mut() {
            part.counts = Some(counts.clone());
        }
        parts
    };
    let mut own = Note::default();
    let start = Instant::now();
    own.on_written(compares(1, 10), start);
    assert_eq!(own.due(&compares(1, 20), start + 59 * SECOND), None);
    assert!(own.due(&compares(1, 20), start + 60 * SECOND).is_some());
    assert!(own.due(&compares(2, 20), start + 10 * SECOND).is_some());
}

#[tokio::test]
async fn what_is_compared_is_judged_where_a_mirror_asks_for_it() {
    let subject = |uid| Subject::new(uid, "(targets)");
    let note = |failing: u64| {
        let counts = json!({"k": subject("u"), "f": [100, 0, 0, failing]});
        json!({"TrafficMirror default/web": {"s": 1, "a": 1, "v": counts}}).to_string()
    };
    let mut others = Others::default();
    let now = Instant::now();
    let before = r#"{"TrafficMirror default/web": {"s": 1, "a": 1, "c": 0, "l": 0}}"#;
    let leases = vec![
        noted("podmirror-a", "1", &note(9)),
        noted("podmirror-b", "1", &note(9)),
        // Of an agent from before there were counts.
        noted("podmirror-c", "1", before),
    ];
    list(&mut others, leases, now);
    let mut document = SeenDocument {
        rules: 1,
        ..SeenDocument::default()
    };
    let title = "TrafficMirror default/web";
    let whole_by = |document: &SeenDocument, lately| {
        others.whole(title, document, &Terms::default(), lately, now)
    };
    let whole = |document: &SeenDocument| whole_by(document, None);
    assert_eq!(whole(&document).judged, None);
    document.comparison = Some(Comparing::AsAsked(subject("u")));
    let judged = whole(&document).judged.unwrap();
    assert_eq!(judged.name(), "Differs", "{judged:?}");
    assert_eq!(whole(&document).attached, 3);
    // An edit that leaves the comparison what it is.
    document.identity.generation = 4;
    assert_eq!(whole(&document).judged.unwrap(), judged);
    // Another object of the same name.
    document.comparison = Some(Comparing::AsAsked(subject("other")));
    assert_eq!(whole(&document).judged.unwrap().name(), "NotEnough");
    // What is known already is not judged again.
    assert_eq!(
        whole_by(&document, Some(judged.clone())).judged,
        Some(judged)
    );
}

#[tokio::test]
async fn parts_are_added_up_until_they_are_stale() {
    let mut others = Others::default();
    let start = Instant::now();
    let leases = || {
        vec![
            noted("podmirror-a", "1", &note(&parts(1)).0),
            noted("podmirror-b", "1", &note(&parts(2)).0),
            noted("podmirror-c", "1", "{no JSON"),
            noted("podmirror-me", "1", &note(&parts(9)).0),
        ]
    };
    list(&mut others, leases(), start);
    let title = "TrafficMirror default/web";
    let own = Part {
        selected: 1,
        attached: 1,
        held_back: 20,
        ..Part::default()
    };
    let whole = on_all(&others, title, &own, start);
    assert_eq!((whole.selected, whole.attached, whole.nodes), (5, 4, 3));
    assert_eq!(whole.held_back, 20 + 2 * 30);
    // One of them is written again.
    let later = start + 100 * SECOND;
    let mut again = leases();
    again[1].metadata.resource_version = Some("2".into());
    list(&mut others, again, later);
    let whole = on_all(&others, title, &own, start + STALE_AFTER);
    assert_eq!((whole.selected, whole.attached, whole.nodes), (3, 3, 2));
    list(&mut others, Vec::new(), later);
    assert_eq!(on_all(&others, title, &own, later).selected, 1);
}

#[tokio::test]
async fn of_too_many_nodes_some_are_left_out() {
    let mut others = Others::default();
    let now = Instant::now();
    let leases = (0..=MOST_NODES).map(|node| noted(&format!("node-{node}"), "1", "{}"));
    let mut listed = Listed::default();
    others.on_page(&mut listed, leases.collect(), "podmirror-me", now);
    assert!(listed.is_full());
    others.on_listed(listed);
    assert_eq!(others.0.len(), MOST_NODES);
}

fn many(namespace: &str, count: usize) -> Parts {
    let part = Part {
        selected: 1,
        why: Some("x".repeat(10_000)),
        ..Part::default()
    };
    let many = (0..count).map(|number| {
        let title = format!("TrafficMirror {namespace}/{number:04}");
        (title, part.clone())
    });
    many.collect()
}

#[test]
fn a_note_that_would_be_too_long_has_no_reasons() {
    let (text, left_out) = note(&many("default", 200));
    assert!(text.len() <= LONGEST_NOTE, "{}", text.len());
    assert_eq!(left_out, 0);
    let read: Parts = serde_json::from_str(&text).unwrap();
    assert_eq!(read.len(), 200);
    assert_eq!(read["TrafficMirror default/0007"].why, None);
}

/// Pods are counted nowhere else; what is compared is judged by the other nodes' counts.
#[test]
fn a_note_that_would_be_too_long_has_no_counts_before_it_leaves_out_mirrors() {
    let mut all = many("default", 200);
    all.extend(many("shop", 2));
    let most = [1_u64 << 39; 4];
    let counts = json!({"k": 1_u64 << 50, "f": most, "e": most});
    for part in all.values_mut() {
        part.counts = Some(serde_json::from_value(counts.clone()).unwrap());
    }
    let (text, left_out) = note(&all);
    assert!(text.len() <= LONGEST_NOTE, "{}", text.len());
    assert_eq!(left_out, 0);
    let read: Parts = serde_json::from_str(&text).unwrap();
    let own: Vec<_> = read
        .keys()
        .filter(|title| all.contains_key(*title))
        .collect();
    assert_eq!(own.len(), 202);
    assert_eq!(read["TrafficMirror default/0007"].counts, None);
    assert!(read["TrafficMirror shop/0001"].counts.is_some());
}

#[tokio::test]
async fn who_has_thousands_takes_nobodys_room_and_what_is_left_out_is_known() {
    let mut all = many("bank", 2_000);
    all.extend(many("shop", 2_000));
    all.extend(many("warehouse", 20));
    let (text, left_out) = note(&all);
    assert!(text.len() <= LONGEST_NOTE, "{}", text.len());
    assert!(text.len() > LONGEST_NOTE / 10 * 9, "{}", text.len());
    let read: Parts = serde_json::from_str(&text).unwrap();
    let of = |namespace: &str| {
        let own = read.iter().filter(|(title, _)| title.contains(namespace));
        own.filter(|(_, part)| part.selected > 0).count()
    };
    assert_eq!(of(" warehouse/"), 20);
    assert!(of(" bank/").abs_diff(of(" shop/")) <= 2, "{}", of(" shop/"));
    assert_eq!(of("/") + left_out, 4_020);

    let mut others = Others::default();
    let now = Instant::now();
    list(&mut others, vec![noted("podmirror-a", "1", &text)], now);
    let left_out = |title: &str| on_all(&others, title, &Part::default(), now).left_out;
    assert_eq!(left_out("TrafficMirror bank/0000"), 0);
    assert_eq!(left_out("TrafficMirror bank/1999"), 1);
    assert_eq!(left_out("TrafficMirror warehouse/0019"), 0);
    assert_eq!(left_out("TrafficMirror elsewhere/web"), 0);
}

#[tokio::test]
async fn even_of_very_many_namespaces_the_note_is_bounded() {
    let mut all = Parts::new();
    for number in 0..500 {
        all.extend(many(&format!("{}-{number}", "n".repeat(50)), 2));
    }
    let (text, left_out) = note(&all);
    assert!(text.len() <= LONGEST_NOTE && left_out > 0, "{}", text.len());
    let mut others = Others::default();
    let now = Instant::now();
    list(&mut others, vec![noted("podmirror-a", "1", &text)], now);
    for title in all.keys() {
        let whole = on_all(&others, title, &Part::default(), now);
        assert_eq!(whole.selected + whole.left_out, 1, "{title}");
    }
}
