use std::time::Duration;

use crate::{
    counters::Sum as _,
    random::Random,
    verdict::{Comparison, Level, Margins, Measured, Question, Verdict},
};

/// A version of a service: how often it fails, in a thousand, and how much slower it is than the other.
#[derive(Clone, Copy)]
struct Version {
    failures: usize,
    slower: f64,
}

const GOOD: Version = Version {
    failures: 10,
    slower: 1.0,
};

impl Version {
    fn answer(self, random: &mut Random) -> Measured {
        let failed = random.below(1_000) < self.failures;
        // Between 10 and 20 ms mostly, a few up to 300: what queues do.
        let tail = if random.one_in(50) {
            1 + random.below(15)
        } else {
            1
        };
        let us = (10_000 + random.below(10_000)) * tail;
        let latency = Duration::from_micros(u64::try_from(us).unwrap()).mul_f64(self.slower);
        Measured {
            status: Some(if failed { 503 } else { 200 }),
            latency: Some(latency),
        }
    }
}

/// The first look, one every 100 requests, that says something else than `NotEnough`; and what.
fn decided(seed: u64, candidate: Version, requests: usize) -> Option<(usize, Verdict)> {
    let mut random = Random::new(seed);
    let mut comparison = Comparison::default();
    for request in 1..=requests {
        let (ours, theirs) = (GOOD.answer(&mut random), candidate.answer(&mut random));
        comparison.count("/", &ours, &theirs);
        if request % 100 == 0 {
            match comparison.verdict(Level::default(), &Margins::default()) {
                Verdict::NotEnough => {}
                verdict => return Some((request, verdict)),
            }
        }
    }
    None
}

fn differ(runs: u64, candidate: Version, requests: usize) -> usize {
    (0..runs)
        .filter(|seed| {
            matches!(
                decided(*seed, candidate, requests),
                Some((_, Verdict::Differs))
            )
        })
        .count()
}

#[test]
fn three_times_the_failures_are_found_within_1_500_requests() {
    let worse = Version {
        failures: 30,
        ..GOOD
    };
    let found = differ(200, worse, 1_500);
    assert!(found >= 180, "{found} of 200");
}

#[test]
fn twice_the_failures_are_found_within_6_000_requests() {
    let worse = Version {
        failures: 20,
        ..GOOD
    };
    let found = differ(100, worse, 6_000);
    assert!(found >= 90, "{found} of 100");
}

#[test]
fn a_slower_version_is_found() {
    let slower = Version {
        slower: 1.2,
        ..GOOD
    };
    let found = differ(100, slower, 2_000);
    assert!(found >= 95, "{found} of 100");
}

#[test]
fn less_than_a_millisecond_is_no_difference() {
    let (mut random, mut comparison) = (Random::new(1), Comparison::default());
    for _ in 0..2_000 {
        let us = 100 + u64::try_from(random.below(100)).unwrap();
        let [ours, theirs] = [us, us * 4].map(|us| Measured {
            status: Some(200),
            latency: Some(Duration::from_micros(us)),
        });
        comparison.count("/", &ours, &theirs);
    }
    for finding in comparison.overall(Level::default(), &Margins::default()) {
        assert_ne!(finding.verdict, Verdict::Differs, "{finding:?}");
    }
}

#[test]
fn equal_versions_are_called_the_same_in_time() {
    let mut same = 0;
    for seed in 0..10 {
        match decided(seed, GOOD, 60_000) {
            Some((_, Verdict::Same)) => same += 1,
            Some((at, verdict)) => panic!("seed {seed}: {verdict:?} after {at}"),
            None => {}
        }
    }
    assert!(same >= 9, "{same} of 10");
}

/// Whatever slows both down at once is no difference, and neither is what one of them does twice.
#[test]
fn what_both_share_is_no_difference() {
    let (mut random, mut comparison) = (Random::new(1), Comparison::default());
    for request in 0..5_000 {
        let (mut ours, mut theirs) = (GOOD.answer(&mut random), GOOD.answer(&mut random));
        if request % 500 < 50 {
            // Spells in which all is slow and fails.
            for one in [&mut ours, &mut theirs] {
                one.status = None;
                one.latency = one.latency.map(|latency| latency * 20);
            }
        }
        comparison.count("/", &ours, &theirs);
    }
    let verdict = comparison.verdict(Level::default(), &Margins::default());
    assert_ne!(verdict, Verdict::Differs);
}

#[test]
fn one_bad_route_is_named_and_the_others_are_not() {
    let (mut random, mut comparison) = (Random::new(3), Comparison::default());
    let worse = Version {
        failures: 300,
        ..GOOD
    };
    for request in 0..20_000 {
        let route = ["/users", "/orders", "/pay"][request % 3];
        let version = if route == "/pay" && request % 10 == 0 {
            worse
        } else {
            GOOD
        };
        comparison.count(
            route,
            &GOOD.answer(&mut random),
            &version.answer(&mut random),
        );
    }
    let (level, margins) = (Level::default(), Margins::default());
    for route in ["/users", "/orders", "/pay"] {
        for finding in comparison.group(route, level, &margins) {
            let is_it = route == "/pay" && finding.question == Question::Failures;
            assert_eq!(
                finding.verdict == Verdict::Differs,
                is_it,
                "{route}: {finding:?}"
            );
        }
    }
    assert_eq!(comparison.verdict(level, &margins), Verdict::Differs);
}

#[test]
fn two_places_together_say_what_one_would() {
    let mut random = Random::new(5);
    let (mut whole, mut parts) = (Comparison::default(), [const { None }; 2]);
    for request in 0..4_000 {
        let (ours, theirs) = (GOOD.answer(&mut random), GOOD.answer(&mut random));
        // Limits of what is slow are each place's own.
        let (ours, theirs) = (
            Measured {
                latency: None,
                ..ours
            },
            Measured {
                latency: None,
                ..theirs
            },
        );
        whole.count("/a", &ours, &theirs);
        let part = parts[request % 2].get_or_insert_with(Comparison::default);
        part.count("/a", &ours, &theirs);
    }
    let mut sum = Comparison::default();
    for part in parts.iter().flatten() {
        sum.add(part);
    }
    assert_eq!(sum, whole);
}

#[test]
fn groups_are_bounded_and_lose_nothing_overall() {
    let (mut random, mut comparison) = (Random::new(9), Comparison::default());
    for request in 0..1_000 {
        let answer = GOOD.answer(&mut random);
        comparison.count(&format!("/{request}"), &answer, &answer);
    }
    assert_eq!((comparison.groups.len(), comparison.ungrouped), (64, 936));
    assert_eq!(comparison.overall.failures.total(), 1_000);
}

/// What the method promises. A thousand runs take seconds in release builds; debug builds make 60.
#[test]
fn equal_versions_are_rarely_called_different_however_often_one_looks() {
    let runs = if cfg!(debug_assertions) { 60 } else { 1_000 };
    let found = differ(runs, GOOD, 10_000);
    assert!(
        20 * u64::try_from(found).unwrap() <= runs,
        "{found} of {runs}"
    );
}
