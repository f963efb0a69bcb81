use std::time::Duration;

use crate::{
    random::Random,
    verdict::{Change, Changes, Comparison, Level, Margins, Measured, Noise, Question, Verdict},
};

const LEVEL: Level = Level(0.05);

const ANSWERED: Measured = Measured {
    status: Some(200),
    latency: Some(Duration::from_millis(1)),
};

fn changes(fields: &[(&str, Change)]) -> Changes {
    let mut changes = Changes::default();
    for (field, change) in fields {
        changes.insert(field, *change);
    }
    changes
}

/// Counts a request to `GET /a` or `GET /b`.
fn count(comparison: &mut Comparison, route: &str, candidate: &Changes, second: Option<&Changes>) {
    comparison.count(route, &ANSWERED, &ANSWERED);
    comparison.count_contents(route, candidate, second);
}

/// The fields that differ, with their groups.
fn differing(comparison: &Comparison) -> Vec<(Option<String>, String)> {
    let fields = comparison.fields(LEVEL, &Margins::default()).into_iter();
    let differing = fields.filter(|it| it.verdict == Verdict::Differs);
    let mut named: Vec<_> = differing.map(|it| (it.group, it.field)).collect();
    named.sort();
    named
}

/// A field that differs between any two replies with a probability of one in so many, where values are
/// drawn anew for each.
fn noise(random: &mut Random, one_in: [usize; 3]) -> [Changes; 2] {
    let mut both = [Changes::default(), Changes::default()];
    for (place, one_in) in one_in.into_iter().enumerate() {
        let [ours, theirs, second] = [(); 3].map(|()| random.one_in(one_in));
        for (changes, other) in both.iter_mut().zip([theirs, second]) {
            let change = match (ours, other) {
                (true, false) => Change::Missing,
                (false, true) => Change::Added,
                _ => continue,
            };
            changes.insert(&format!("json $.noise{place}"), change);
        }
    }
    both
}

#[test]
fn a_lost_field_is_named_with_its_group_and_nothing_else_is() {
    for has_second in [true, false] {
        let (mut random, mut comparison) = (Random::new(2), Comparison::default());
        for request in 0..600 {
            let route = ["GET /a", "GET /b"][request % 2];
            let [mut candidate, second] = noise(&mut random, [2, 10, 100]);
            if route == "GET /b" {
                candidate.insert("header x-total", Change::Missing);
            }
            count(
                &mut comparison,
                route,
                &candidate,
                has_second.then_some(&second),
            );
        }
        let field = "header x-total".to_owned();
        let wanted = vec![(None, field.clone()), (Some("GET /b".to_owned()), field)];
        assert_eq!(
            differing(&comparison),
            wanted,
            "second baseline: {has_second}"
        );
        let verdict = comparison.verdict(LEVEL, &Margins::default());
        assert_eq!(verdict, Verdict::Differs);
    }
}

/// Of other values alone nobody can tell whether they are other by themselves, but for a second baseline.
#[test]
fn other_values_take_a_second_baseline() {
    let other = changes(&[("json $.total", Change::Changed)]);
    let (mut with, mut without) = (Comparison::default(), Comparison::default());
    for _ in 0..1_000 {
        count(&mut with, "GET /a", &other, Some(&Changes::default()));
        count(&mut without, "GET /a", &other, None);
    }
    assert_eq!(differing(&with).len(), 2);
    assert_eq!(differing(&without), []);
    let contents = |comparison: &Comparison| {
        let findings = comparison.overall(LEVEL, &Margins::default()).into_iter();
        let mut contents = findings.filter(|it| it.question == Question::Contents);
        contents.next().unwrap().verdict
    };
    assert_eq!(contents(&with), Verdict::Differs);
    // And it is not called the same either.
    assert_eq!(contents(&without), Verdict::NotEnough);
    let mut equal = Comparison::default();
    for _ in 0..5_000 {
        count(&mut equal, "GET /a", &Changes::default(), None);
    }
    assert_eq!(contents(&equal), Verdict::Same);
}

/// Fields that are noisy in 1, 10 and 50 % of replies, with a look every 100 requests.
#[test]
fn noise_alone_is_rarely_called_a_difference() {
    let runs = if cfg!(debug_assertions) { 60 } else { 1_000 };
    let mut found = [0; 2];
    for seed in 0..runs {
        let (mut random, mut looks) = (Random::new(seed), [true; 2]);
        let mut comparisons = [Comparison::default(), Comparison::default()];
        for request in 1..=2_000 {
            let [candidate, second] = noise(&mut random, [2, 10, 100]);
            let seconds = [Some(&second), None];
            for (comparison, second) in comparisons.iter_mut().zip(seconds) {
                count(comparison, "GET /a", &candidate, second);
            }
            if request % 100 == 0 {
                for (look, comparison) in looks.iter_mut().zip(&comparisons) {
                    *look &= differing(comparison).is_empty();
                }
            }
        }
        for (found, look) in found.iter_mut().zip(looks) {
            *found += u32::from(!look);
        }
    }
    // Fields have 4 % of 5 %.
    let most = u32::try_from(runs / 100).unwrap();
    assert!(found.iter().all(|found| *found <= most), "{found:?}");
}

/// A field that is lost in 2 % of the replies of one of two routes, among noise.
#[test]
fn a_rare_difference_is_found_in_time() {
    let mut found = 0;
    for seed in 0..50 {
        let (mut random, mut comparison) = (Random::new(seed), Comparison::default());
        for request in 0..6_000 {
            let route = ["GET /a", "GET /b"][request % 2];
            let [mut candidate, second] = noise(&mut random, [2, 10, 100]);
            if route == "GET /b" && random.one_in(50) {
                candidate.insert("header x-total", Change::Missing);
            }
            count(&mut comparison, route, &candidate, Some(&second));
        }
        let named = (Some("GET /b".to_owned()), "header x-total".to_owned());
        found += usize::from(differing(&comparison).contains(&named));
    }
    assert!(found >= 45, "{found} of 50");
}

#[test]
fn fields_are_bounded_and_counted() {
    let mut comparison = Comparison::default();
    for request in 0..400 {
        let field = format!("json $.key{request}");
        let changes = changes(&[(&field, Change::Added)]);
        count(&mut comparison, "GET /a", &changes, None);
    }
    let contents = &comparison.overall.contents;
    assert_eq!((contents.fields.len(), contents.left_out), (256, 144));
    assert_eq!(contents.differing, 400);
    let many: Vec<_> = (0..100).map(|it| format!("{it}")).collect();
    let mut changes = Changes::default();
    many.iter().for_each(|it| {
        changes.insert(it, Change::Changed);
    });
    assert_eq!((changes.iter().count(), changes.is_full()), (64, true));
}

/// As a mirror does it with one baseline: each reply to a request that comes again is compared with the one before,
/// and both are done with. Of versions that are equal and noisy nothing is named; a value that is other at the
/// candidate is.
#[test]
fn earlier_replies_tell_what_differs_by_itself() {
    const REQUESTS: usize = 20;
    let draw = |random: &mut Random| [2, 10, 100].map(|one_in| random.one_in(one_in));
    let differ = |ours: [bool; 3], others: [bool; 3]| {
        let mut changes = Changes::default();
        for (place, (our, other)) in ours.into_iter().zip(others).enumerate() {
            if our != other {
                changes.insert(&format!("json $.noise{place}"), Change::Changed);
            }
        }
        changes
    };
    let runs = if cfg!(debug_assertions) { 40 } else { 1_000 };
    let (mut wrong, mut found) = (0, 0);
    for seed in 0..runs {
        let (mut random, mut earlier) = (Random::new(seed), [None; REQUESTS]);
        let (mut equal, mut other) = (Comparison::default(), Comparison::default());
        let mut is_wrong = false;
        for request in 1..=2_000 {
            let [ours, theirs] = [(); 2].map(|()| draw(&mut random));
            let slot = &mut earlier[random.below(REQUESTS)];
            let noise = slot.take().map(|before| differ(ours, before));
            if noise.is_none() {
                *slot = Some(ours);
            }
            let noise = noise.as_ref().map_or(Noise::Unknown, Noise::Earlier);
            let mut changes = differ(ours, theirs);
            for comparison in [&mut equal, &mut other] {
                comparison.count("GET /a", &ANSWERED, &ANSWERED);
                comparison.count_contents("GET /a", &changes, noise);
                changes.insert("json $.total", Change::Changed);
            }
            if request % 100 == 0 {
                is_wrong |= !differing(&equal).is_empty()
                    || equal.verdict(LEVEL, &Margins::default()) == Verdict::Differs;
            }
        }
        wrong += u64::from(is_wrong);
        let total = "json $.total".to_owned();
        let named = [(None, total.clone()), (Some("GET /a".to_owned()), total)];
        found += u64::from(differing(&other) == named);
    }
    assert!(100 * wrong <= runs, "{wrong} of {runs}");
    assert!(100 * found >= 99 * runs, "{found} of {runs}");
}

/// The baseline's own replies may differ over time where both versions agree: that is no difference.
#[test]
fn what_changes_at_both_over_time_is_no_difference() {
    let (mut comparison, none) = (Comparison::default(), Changes::default());
    let other = changes(&[("json $.day", Change::Changed)]);
    for _ in 0..2_000 {
        comparison.count("GET /a", &ANSWERED, &ANSWERED);
        comparison.count_contents("GET /a", &none, Noise::Earlier(&other));
    }
    assert_eq!(differing(&comparison), []);
    let verdict = comparison.verdict(LEVEL, &Margins::default());
    assert_ne!(verdict, Verdict::Differs);
}
