//! Targets that are overloaded, and such that only look like it, played second by second.

mod calls;
mod mixed;

use super::*;
use crate::outcome::{After, Answer};
use mirror_core::pipeline::ConnectionId;

/// A target, as it answers.
struct Played {
    back_off: BackOff,
    now: u64,
    /// When the copy that is replied to is sent.
    at: u64,
    next: u64,
    random: Random,
    turns: Vec<Turn>,
}

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1 << 40;

impl Played {
    fn new(seed: u64) -> Self {
        Self {
            back_off: BackOff::new(),
            now: START,
            at: START,
            next: 0,
            random: Random::new(seed),
            turns: Vec::new(),
        }
    }

    /// A number from 0 to 1, which looks random.
    fn random(&mut self) -> f64 {
        self.random.fraction()
    }

    /// About normally distributed.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.random()).sum::<f64>() - 6.0
    }

    /// So many copies in a second, to each of which the target replies. Returns how many were sent.
    fn second(
        &mut self,
        offered: u64,
        mut reply: impl FnMut(&mut Self, u64) -> (u16, Duration),
    ) -> u64 {
        self.second_of(offered, |played, sent| {
            let (status, latency) = reply(played, sent);
            (status, latency, None)
        })
    }

    /// The same where a reply may be that to a call of gRPC which is refused, and say for how many milliseconds to wait.
    fn second_of(
        &mut self,
        offered: u64,
        mut reply: impl FnMut(&mut Self, u64) -> (u16, Duration, Option<Option<u32>>),
    ) -> u64 {
        let mut sent = 0;
        for number in 0..offered {
            let request = RequestKey {
                connection: ConnectionId(self.next / 10),
                number: 1 + u32::try_from(self.next % 10).unwrap(),
            };
            self.next += 1;
            if self.back_off.admits(request) {
                sent += 1;
                self.at = self.now + number * SECOND / offered;
                let (status, latency, refused) = reply(self, sent);
                self.back_off.handle_outcome(&Outcome::Answered(Answer {
                    status,
                    latency: Some(latency),
                    connection: After::Reusable,
                }));
                if let Some(pushback) = refused {
                    self.back_off.handle_refused_call(pushback);
                }
            }
            if number % (offered / 10).max(1) == 0 {
                self.tick(number * SECOND / offered);
            }
        }
        self.now += SECOND;
        self.tick(0);
        sent
    }

    fn tick(&mut self, after: u64) {
        let now = Time::from_nanos(self.now + after);
        self.turns.extend(self.back_off.handle_timeout(now));
    }

    /// How many copies per second were sent in the last `of` seconds, after others, to a target that takes `most` in
    /// each second and refuses the rest.
    fn sent_to(&mut self, most: u64, offered: u64, first: u64, of: u64) -> f64 {
        let mut sum = 0;
        for second in 0..first + of {
            let sent = self.second(offered, |_, sent| {
                let status = if sent > most { 503 } else { 200 };
                (status, Duration::from_millis(2))
            });
            sum += if second < first { 0 } else { sent };
        }
        sum as f64 / of as f64
    }
}

const FAST: Duration = Duration::from_millis(2);

#[test]
fn what_a_target_takes_is_found_from_any_side_and_again_when_it_is_more() {
    for (seed, offered, takes) in [(1, 1_000, 50), (2, 1_000, 500), (3, 400, 360), (4, 60, 20)] {
        let mut played = Played::new(seed);
        let sent = played.sent_to(takes, offered, 30, 60);
        // Too much for a window is not yet an overload.
        let range = 0.7 * takes as f64..=1.1 * takes as f64;
        assert!(
            range.contains(&sent),
            "{sent} per second to {takes} of {offered}"
        );
        let begins = [Turn::Begins(Sign::Refuses)];
        assert_eq!(played.turns, begins, "{takes} of {offered}");

        let more = takes * 2;
        let expected = more.min(offered) as f64;
        let sent = played.sent_to(more, offered, 40, 30);
        assert!(
            sent >= 0.7 * expected,
            "{sent} per second to {more} of {offered}"
        );
    }
}

#[test]
fn a_429_says_the_same_and_other_errors_do_not() {
    for (status, turns) in [(429, 1), (500, 0), (502, 0), (404, 0)] {
        let mut played = Played::new(6);
        for _ in 0..30 {
            played.second(100, |_, sent| (if sent > 50 { status } else { 200 }, FAST));
        }
        assert_eq!(played.turns.len(), turns, "{status}");
    }
}

/// By `Retry-After`: what is sent then is what it took, and no more before the time is over.
#[test]
fn a_target_that_asks_to_wait_gets_no_more_before_and_at_most_for_half_a_minute() {
    // The last is what another reply says than a refusal.
    let cases = [(503, 0, 1), (503, 20, 20), (503, 86_400, 30), (200, 30, 1)];
    for (status, asked, waits) in cases {
        let mut played = Played::new(8);
        let second = |played: &mut Played, takes: u64| {
            played.second(400, |played, sent| {
                let replied = if sent <= takes { 200 } else { 503 };
                if replied == status {
                    played.back_off.handle_retry_after(status, asked);
                }
                (replied, FAST)
            })
        };
        // The last second in which it refuses, and those in which it takes what comes.
        let mut waited = 0;
        let mut held_back = 0;
        for _ in 0..8 {
            let sent = second(&mut played, 100);
            waited = if sent > 100 { 0 } else { waited + 1 };
            held_back = played.back_off.held_back();
        }
        while played.back_off.held_back() == held_back {
            second(&mut played, u64::MAX);
            waited += 1;
            assert!(waited < 100);
        }
        assert!(
            (waits..=waits + 4).contains(&waited),
            "{status}, {asked}: {waited}"
        );
    }
}

#[test]
fn a_target_that_recovers_gets_all_again_within_a_minute() {
    let mut played = Played::new(5);
    played.sent_to(100, 2_000, 60, 1);
    assert!(played.back_off.held_back() > 900);
    let sent = played.sent_to(u64::MAX, 2_000, 60, 1);
    assert!((sent - 2_000.0).abs() < 0.5, "{sent}");
    assert_eq!(played.turns, [Turn::Begins(Sign::Refuses), Turn::Over]);
    assert_eq!(played.back_off.held_back(), 0);
}

/// The bug that a mirror is there to show.
#[test]
fn a_route_that_always_answers_503_is_tried_once_and_then_gets_all() {
    for percent in [8, 30, 60, 100_u64] {
        let mut played = Played::new(percent);
        let mut sent = 0;
        for _ in 0..60 {
            sent = played.second(300, |played, _| {
                let fails = played.random() * 100.0 < percent as f64;
                (if fails { 503 } else { 200 }, FAST)
            });
        }
        assert_eq!(sent, 300, "{percent} %: {:?}", played.turns);
        let expected = [Turn::Begins(Sign::Refuses), Turn::InVain(Sign::Refuses)];
        assert!(played.turns.len() <= 4, "{percent} %: {:?}", played.turns);
        assert_eq!(played.turns[..2], expected, "{percent} %");
    }
}

/// What is normal for a target is not forgotten when it is overloaded as well; and once it is mended, refusals are news.
#[test]
fn an_overload_beside_a_route_that_always_fails_is_seen() {
    let mut played = Played::new(9);
    let mut second = |takes: u64, nature: f64, seconds: u64| {
        let mut sum = 0;
        for number in 0..seconds {
            let sent = played.second(500, |played, sent| {
                let fails = played.random() < nature || sent > takes;
                (if fails { 503 } else { 200 }, FAST)
            });
            sum += if number + 20 < seconds { 0 } else { sent };
        }
        sum as f64 / 20.0
    };
    assert!(second(u64::MAX, 0.3, 60) > 499.0, "its nature is known");
    let overloaded = second(250, 0.3, 60);
    assert!((150.0..=270.0).contains(&overloaded), "{overloaded}");
    assert!(second(u64::MAX, 0.0, 90) > 499.0, "it is mended");
    let overloaded = second(250, 0.0, 60);
    assert!((175.0..=250.0).contains(&overloaded), "{overloaded}");
}

#[test]
fn a_latency_that_doubles_with_the_load_is_backed_off_from() {
    let mut played = Played::new(11);
    let mut last = 0;
    let mut second = |takes: u64, seconds: u64| {
        let mut sum = 0;
        for number in 0..seconds {
            let load = last;
            last = played.second(500, |played, _| {
                let queue = if load > takes { 6.0 } else { 1.0 };
                let noise = (0.3 * played.normal()).exp();
                (200, Duration::from_secs_f64(0.010 * queue * noise))
            });
            sum += if number + 20 < seconds { 0 } else { last };
        }
        (sum as f64 / 20.0, played.turns.clone())
    };
    let (sent, turns) = second(u64::MAX, 30);
    assert!(sent > 499.0 && turns.is_empty(), "{turns:?}");
    let (sent, turns) = second(300, 120);
    assert!((150.0..=330.0).contains(&sent), "{sent} {turns:?}");
    assert_eq!(turns, [Turn::Begins(Sign::Slow)]);
    let (sent, _) = second(u64::MAX, 90);
    assert!(sent > 499.0, "{sent}");
}

#[test]
fn a_target_that_has_become_slow_for_good_gets_all_again() {
    let mut played = Played::new(12);
    let mut sent = 0;
    for number in 0..120 {
        let ms = if number < 40 { 10 } else { 50 };
        sent = played.second(200, |_, _| (200, Duration::from_millis(ms)));
    }
    assert_eq!(sent, 200);
    let expected = [Turn::Begins(Sign::Slow), Turn::InVain(Sign::Slow)];
    assert_eq!(played.turns, expected);
}

#[test]
fn one_slow_reply_in_ten_or_a_slow_target_is_no_overload() {
    let mut played = Played::new(13);
    for number in 0..200 {
        let rare = number > 100;
        played.second(100, |played, _| {
            let slow = rare && played.random() < 0.1;
            let ms = if slow { 4_000 } else { 800 };
            (200, Duration::from_millis(ms))
        });
    }
    assert_eq!(played.turns, []);
}

/// The same version behind both: whatever the noise, all is sent.
#[test]
fn an_even_target_is_never_backed_off_from_in_1000_runs() {
    for seed in 0..1_000 {
        let mut played = Played::new(seed * 7 + 1);
        for _ in 0..40 {
            let sent = played.second(70, |played, _| {
                let status = if played.random() < 0.01 { 503 } else { 200 };
                // Half of them within 20 ms, one in a hundred takes longer than 0.13 s.
                let noise = (0.8 * played.normal()).exp();
                (status, Duration::from_secs_f64(0.020 * noise))
            });
            assert_eq!(sent, 70, "seed {seed}: {:?}", played.turns);
        }
    }
}

#[test]
fn what_is_sent_is_a_sample_and_a_smaller_one_is_part_of_a_larger_one() {
    let mut back_off = BackOff::new();
    let admitted = |back_off: &BackOff| -> Vec<u64> {
        let requests = 0..20_000_u64;
        let key = |number: &u64| RequestKey {
            connection: ConnectionId(number / 20),
            number: 1 + u32::try_from(number % 20).unwrap(),
        };
        requests.filter(|it| back_off.admits(key(it))).collect()
    };
    assert_eq!(admitted(&back_off).len(), 20_000);
    back_off.share = 0.5;
    let half = admitted(&back_off);
    assert!((9_700..=10_300).contains(&half.len()), "{}", half.len());
    let odd = half.iter().filter(|it| **it % 2 == 1).count();
    assert!((4_700..=5_300).contains(&odd), "{odd}");
    back_off.share = 0.1;
    let tenth = admitted(&back_off);
    assert!((1_850..=2_150).contains(&tenth.len()), "{}", tenth.len());
    assert!(tenth.iter().all(|it| half.binary_search(it).is_ok()));
}
