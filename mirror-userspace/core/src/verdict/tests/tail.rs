//! A version that is slower in few of its requests.

use std::time::Duration;

use crate::{
    random::Random,
    verdict::{Comparison, Finding, Level, Margins, Measured, Question, Verdict},
};

/// Mostly 5 to 15 ms, one in 200 up to 60 ms: what a service has that is not overloaded.
fn usual(random: &mut Random) -> Duration {
    let more = if random.one_in(200) { 45 } else { 10 };
    Duration::from_micros(u64::try_from(5_000 + random.below(more * 1_000)).unwrap())
}

const fn answered(latency: Duration) -> Measured {
    Measured {
        status: Some(200),
        latency: Some(latency),
    }
}

/// What differs of requests to two routes, where one in `one_in` to one of them takes `slower` more at the candidate:
/// after how many requests to that route that was first said, with a look every 100; and whether anything else was.
fn named(seed: u64, one_in: usize, slower: Duration, requests: usize) -> (Option<usize>, bool) {
    let (level, margins) = (Level::default(), Margins::default());
    let (mut random, mut comparison) = (Random::new(seed), Comparison::default());
    let mut other = false;
    for request in 1..=requests {
        for route in ["GET /a", "GET /b"] {
            let (ours, mut theirs) = (usual(&mut random), usual(&mut random));
            if route == "GET /b" && random.one_in(one_in) {
                theirs += slower;
            }
            comparison.count(route, &answered(ours), &answered(theirs));
        }
        if request % 100 == 0 {
            let differs = |it: &Finding| it.verdict == Verdict::Differs;
            let is_tail = |it: &Finding| it.question == Question::Latency(0.99);
            let of_b = comparison.group("GET /b", level, &margins);
            let mut all = comparison.group("GET /a", level, &margins);
            all.extend(of_b.iter().filter(|it| !is_tail(it)));
            all.extend(
                comparison
                    .overall(level, &margins)
                    .iter()
                    .filter(|it| !is_tail(it)),
            );
            other |= all.iter().any(differs);
            if of_b.iter().any(|it| differs(it) && is_tail(it)) {
                return (Some(request), other);
            }
        }
    }
    (None, other)
}

/// Of one in 50 requests; half of the runs need 2 200 requests to that route.
#[test]
fn thirty_milliseconds_at_the_99th_percentile_are_found() {
    let runs = if cfg!(debug_assertions) { 40 } else { 400 };
    let slower = Duration::from_millis(30);
    let all: Vec<_> = (0..runs)
        .map(|seed| named(seed, 50, slower, 4_000))
        .collect();
    let mut found: Vec<_> = all.iter().filter_map(|it| it.0).collect();
    found.sort_unstable();
    assert!(10 * found.len() >= 9 * all.len(), "{found:?} of {runs}");
    assert!(found[found.len() / 2] <= 3_000, "{found:?}");
    assert_eq!(all.iter().filter(|it| it.1).count(), 0);
}

#[test]
fn equal_tails_are_not() {
    let runs = if cfg!(debug_assertions) { 20 } else { 1_000 };
    let all = (0..runs).map(|seed| named(seed, 50, Duration::ZERO, 5_000));
    let wrong = all.filter(|it| it.0.is_some() || it.1).count();
    assert!(
        wrong <= usize::try_from(runs / 100).unwrap(),
        "{wrong} of {runs}"
    );
}
