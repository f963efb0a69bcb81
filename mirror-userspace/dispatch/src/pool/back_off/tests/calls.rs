//! Calls of gRPC, which are answered with 200 and refused by their end.

use super::*;

/// A call that is refused, and says nothing of when to try again.
const REFUSED: (u16, Duration, Option<Option<u32>>) = (200, FAST, Some(None));
const TAKEN: (u16, Duration, Option<Option<u32>>) = (200, FAST, None);

#[test]
fn a_target_that_refuses_calls_gets_what_it_takes_and_all_again_later() {
    for (seed, offered, takes) in [(1, 1_000, 50), (2, 400, 360), (3, 60, 20)] {
        let mut played = Played::new(seed);
        let mut sent_per_second = |takes: u64, first: u64, of: u64| {
            let mut sum = 0;
            for second in 0..first + of {
                let reply = |sent| if sent > takes { REFUSED } else { TAKEN };
                let sent = played.second_of(offered, |_, sent| reply(sent));
                sum += if second < first { 0 } else { sent };
            }
            (sum as f64 / of as f64, played.turns.clone())
        };
        let (sent, turns) = sent_per_second(takes, 30, 60);
        let range = 0.7 * takes as f64..=1.1 * takes as f64;
        assert!(range.contains(&sent), "{sent} to {takes} of {offered}");
        assert_eq!(turns, [Turn::Begins(Sign::Refuses)]);
        let (sent, turns) = sent_per_second(u64::MAX, 90, 10);
        assert!(sent > offered as f64 - 0.5, "{sent} of {offered}");
        assert_eq!(turns, [Turn::Begins(Sign::Refuses), Turn::Over]);
    }
}

/// UNAVAILABLE from a backend that is not there, RESOURCE_EXHAUSTED for messages that are too long.
#[test]
fn a_method_that_always_refuses_is_tried_once_and_then_gets_all() {
    for percent in [30, 100_u64] {
        let mut played = Played::new(percent);
        let mut sent = 0;
        for _ in 0..60 {
            sent = played.second_of(300, |played, _| {
                let fails = played.random() * 100.0 < percent as f64;
                if fails { REFUSED } else { TAKEN }
            });
        }
        assert_eq!(sent, 300, "{percent} %: {:?}", played.turns);
        let expected = [Turn::Begins(Sign::Refuses), Turn::InVain(Sign::Refuses)];
        assert_eq!(played.turns[..2], expected, "{percent} %");
    }
}

/// By `grpc-retry-pushback-ms`, as by `Retry-After`.
#[test]
fn a_call_that_asks_to_wait_has_its_target_get_no_more_before() {
    for (asked, waits) in [(None, 1), (Some(20_000), 20), (Some(86_400_000), 30)] {
        let mut played = Played::new(8);
        let second = |played: &mut Played, takes: u64| {
            played.second_of(400, |_, sent| match sent <= takes {
                true => TAKEN,
                false => (200, FAST, Some(asked)),
            })
        };
        let (mut waited, mut held_back) = (0, 0);
        for _ in 0..8 {
            let sent = second(&mut played, 100);
            waited = if sent > 100 { 0 } else { waited + 1 };
            held_back = played.back_off.held_back();
        }
        assert!(held_back > 0);
        while played.back_off.held_back() == held_back {
            second(&mut played, u64::MAX);
            waited += 1;
            assert!(waited < 100);
        }
        assert!((waits..=waits + 4).contains(&waited), "{asked:?}: {waited}");
    }
}

/// Ends of long calls, whose heads were counted before: there are no more refusals than replies.
#[test]
fn ends_of_calls_of_earlier_windows_are_refusals_of_this_one() {
    let mut refusals = Refusals::default();
    refusals.add(false);
    for _ in 0..5 {
        refusals.correct();
    }
    assert_eq!(refusals.replies(), 5);
    let look = refusals.look();
    assert!(look.is_much && look.beyond <= 1.0, "{look:?}");
}
