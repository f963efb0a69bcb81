use std::time::Duration;

use crate::{counters::Sum as _, random::Random, verdict::Sketch};

#[test]
fn quantiles_are_two_percent_too_high_at_most() {
    let mut sketch = Sketch::default();
    for us in 1..=10_000 {
        sketch.record(Duration::from_micros(us));
    }
    for (q, us) in [(0.5, 5_000), (0.99, 9_900), (1.0, 10_000)] {
        let found = sketch.quantile(q).unwrap();
        let wanted = Duration::from_micros(us);
        assert!(
            found >= wanted && found <= wanted.mul_f64(1.0201),
            "{q}: {found:?}"
        );
    }
    assert_eq!(Sketch::default().quantile(0.5), None);
}

#[test]
fn the_shortest_and_the_longest_have_a_place() {
    let mut sketch = Sketch::default();
    for took in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        sketch.record(took);
    }
    assert_eq!(sketch.count(), 3);
    assert_eq!(sketch.quantile(0.5), Some(Duration::from_micros(1)));
    assert!(sketch.quantile(1.0) > Some(Duration::from_secs(200)));
}

#[test]
fn parts_add_up_to_the_whole() {
    let mut random = Random::new(7);
    let (mut whole, mut parts) = (Sketch::default(), [Sketch::default(), Sketch::default()]);
    for _ in 0..5_000 {
        let took = Duration::from_nanos(random.bits() >> 36);
        whole.record(took);
        parts[random.below(2)].record(took);
    }
    let [mut sum, more] = parts;
    sum.add(&more);
    assert_eq!(sum, whole);
}

/// Of 400 runs with a look every 50 requests, at a level of 10 %.
#[test]
fn the_true_quantile_lies_in_its_band_at_every_look() {
    for (q, at_most) in [(0.5, 40), (0.99, 40)] {
        let mut missed = 0;
        let mut narrow = 0;
        for seed in 0..400 {
            let mut random = Random::new(seed);
            let mut sketch = Sketch::default();
            let mut is_missed = false;
            let mut last = None;
            for look in 1..=2_000_u32 {
                // Even between 1 and 2 ms.
                let ns = 1_000_000 + u64::try_from(random.below(1_000_000)).unwrap();
                sketch.record(Duration::from_nanos(ns));
                if look % 50 == 0 {
                    last = sketch.band(q, 0.1);
                    let truth = Duration::from_secs_f64(0.001 * (1.0 + q));
                    is_missed |= last.as_ref().is_some_and(|band| !band.contains(&truth));
                }
            }
            missed += u32::from(is_missed);
            let width = last.map(|band| band.end().as_secs_f64() / band.start().as_secs_f64());
            narrow += u32::from(width.is_some_and(|width| width < 1.1));
        }
        assert!(missed <= at_most, "p{q}: {missed} of 400");
        assert!(narrow >= 390, "p{q}: {narrow} of 400 are narrow");
    }
}
