use crate::verdict::{Pair, Pairs, Shares};

#[test]
fn nothing_seen_is_no_evidence() {
    let none = Shares::default();
    assert!((none.against_half().value() - 1.0).abs() < 1e-9);
    assert!((none.against(0.3).value() - 1.0).abs() < 1e-9);
    assert_eq!(none.interval(0.05), 0.0..=1.0);
    assert_eq!(Pairs::default().difference(0.05), -1.0..=1.0);
}

#[test]
fn evidence_is_what_counting_by_hand_gives() {
    // One of the first kind against a share of 1/2: the mixture expects 1/2, so nothing is learned.
    let one = Shares {
        first: 1,
        second: 0,
    };
    assert!((one.against(0.5).value() - 1.0).abs() < 1e-9);
    // Two: Jeffreys expects 1/2 * 3/4, the hypothesis 1/4.
    let two = Shares {
        first: 2,
        second: 0,
    };
    assert!((two.against(0.5).value() - 1.5).abs() < 1e-9);
    // What can't be at all is refuted by one.
    assert!(one.against(0.0).rejects(1e-300));
    assert!(!one.against(1.0).rejects(0.9));
}

/// An e-value's mean under the hypothesis is 1: summed over all sequences of a length, exactly.
#[test]
fn the_mean_under_the_hypothesis_is_one() {
    for share in [0.5_f64, 0.2] {
        let (mut mean, mut mean_half) = (0.0, 0.0);
        for sequence in 0_u32..1 << 12 {
            let first = u64::from(sequence.count_ones());
            let shares = Shares {
                first,
                second: 12 - first,
            };
            let ones = i32::try_from(first).unwrap();
            let chance = share.powi(ones) * (1.0 - share).powi(12 - ones);
            mean += chance * shares.against(share).value();
            mean_half += 0.5_f64.powi(12) * shares.against_half().value();
        }
        assert!((mean - 1.0).abs() < 1e-9, "{mean}");
        assert!((mean_half - 1.0).abs() < 1e-9, "{mean_half}");
    }
}

#[test]
fn intervals_hold_what_was_seen_and_narrow() {
    let mut before = 1.0;
    for n in [1, 10, 100, 1_000, 100_000, u64::from(u32::MAX)] {
        for first in [0, n / 10, n / 2, n] {
            let shares = Shares {
                first,
                second: n - first,
            };
            let interval = shares.interval(0.05);
            #[expect(clippy::cast_precision_loss, reason = "small enough")]
            let seen = first as f64 / n as f64;
            assert!(interval.contains(&seen), "{interval:?} of {seen}");
            assert!((0.0..=1.0).contains(interval.start()) && (0.0..=1.0).contains(interval.end()));
            if first == n / 2 && n > 1 {
                let width = interval.end() - interval.start();
                assert!(width < before, "{n}: {width}");
                before = width;
            }
        }
    }
}

#[test]
fn a_difference_lies_in_its_interval() {
    let mut pairs = Pairs::default();
    for request in 0..2_000 {
        pairs.count(Pair {
            baseline: request % 100 == 0,
            candidate: request % 20 == 0,
        });
    }
    assert_eq!((pairs.total(), pairs.both), (2_000, 20));
    let difference = pairs.difference(0.05);
    assert!(difference.contains(&0.04), "{difference:?}");
    assert!(
        *difference.start() > 0.0 && *difference.end() < 0.08,
        "{difference:?}"
    );
    assert!(pairs.evidence().rejects(0.001));
}

#[test]
fn numbers_beyond_all_measure_stay_numbers() {
    let most = Shares {
        first: u64::MAX / 4,
        second: u64::MAX / 4,
    };
    assert!(!most.against_half().value().is_nan());
    assert!(!most.interval(0.05).start().is_nan());
}
