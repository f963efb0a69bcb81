//! What begins in the middle of a window, or beside something else.

use super::*;

/// What takes so many copies per second, and some more at once: a limit as nginx and Envoy have it.
struct Bucket {
    rate: f64,
    most: f64,
    tokens: f64,
    at: f64,
}

impl Bucket {
    fn new(rate: f64, most: f64) -> Self {
        Self {
            rate,
            most,
            tokens: most,
            at: 0.0,
        }
    }

    /// The status of the reply to a copy that comes after so many seconds.
    fn reply(&mut self, at: f64) -> u16 {
        self.tokens = (self.tokens + (at - self.at) * self.rate).min(self.most);
        self.at = at;
        if self.tokens < 1.0 {
            return 503;
        }
        self.tokens -= 1.0;
        200
    }
}

impl Played {
    /// How many seconds have passed.
    fn seconds(&self) -> f64 {
        (self.at - START) as f64 / SECOND as f64
    }

    /// How many copies per second are sent in the last 30 of so many seconds.
    fn rate_after(
        &mut self,
        seconds: u64,
        offered: u64,
        mut reply: impl FnMut(f64) -> (u16, Duration),
    ) -> f64 {
        let mut sum = 0;
        for second in 0..seconds {
            let sent = self.second(offered, |played, _| {
                let (status, latency) = reply(played.seconds());
                let noise = (0.2 * played.normal()).exp();
                (status, latency.mul_f64(noise))
            });
            sum += if second + 30 < seconds { 0 } else { sent };
        }
        sum as f64 / 30.0
    }
}

/// The first window has some of before and some of after, and so says too little of how bad it is.
#[test]
fn a_limit_that_begins_anywhere_in_a_window_is_backed_off_from() {
    for (takes, offered) in [(50, 1_000), (50, 200), (200, 1_000), (360, 400)] {
        for (tenth, burst) in
            (0..10_u32).flat_map(|tenth| [(tenth, 0.1), (tenth, 0.5), (tenth, 1.0)])
        {
            let onset = 5.0 + f64::from(tenth) / 10.0;
            let mut played = Played::new(tenth.into());
            let mut bucket = Bucket::new(f64::from(takes), f64::from(takes) * burst);
            let sent = played.rate_after(75, offered, |at| {
                let status = if at < onset { 200 } else { bucket.reply(at) };
                (status, FAST)
            });
            let part = sent / f64::from(takes);
            let case = format!("{takes} of {offered} from {onset} s, {burst} s at once");
            assert!((0.7..=1.15).contains(&part), "{case}: {part}");
            assert_eq!(played.turns, [Turn::Begins(Sign::Refuses)], "{case}");
        }
    }
}

#[test]
fn a_limit_that_was_there_from_the_start_is_backed_off_from() {
    for (takes, offered, burst) in [(50, 200, 0.5), (50, 1_000, 1.0), (500, 1_000, 1.0)] {
        let mut played = Played::new(takes);
        let takes = takes as f64;
        let mut bucket = Bucket::new(takes, takes * burst);
        let sent = played.rate_after(75, offered, |at| (bucket.reply(at), FAST));
        assert!(
            (0.7..=1.15).contains(&(sent / takes)),
            "{sent} per second to {takes} of {offered}"
        );
    }
}

/// It is overloaded for a while, and then fails whatever is sent.
#[test]
fn a_target_that_breaks_while_it_is_backed_off_from_gets_all_again() {
    for takes in [50, 80, 200] {
        for breaks in [11.2, 12.4, 13.6, 14.8, 50.0, 90.0] {
            let mut played = Played::new(takes);
            let mut bucket = Bucket::new(takes as f64, takes as f64 / 10.0);
            let sent = played.rate_after(240, 1_000, |at| match at {
                ..10.0 => (200, FAST),
                _ if at < breaks => (bucket.reply(at), FAST),
                _ => (503, FAST),
            });
            let case = format!("takes {takes}, breaks after {breaks} s");
            assert!(sent > 999.0, "{case}: {sent} {:?}", played.turns);
            let in_vain = Turn::InVain(Sign::Refuses);
            assert!(
                played.turns.contains(&in_vain),
                "{case}: {:?}",
                played.turns
            );
        }
    }
}

#[test]
fn a_target_that_becomes_slow_and_then_fails_gets_all_again() {
    for fails in [0.3, 1.0] {
        let mut played = Played::new(21);
        let mut random = Played::new(22);
        let sent = played.rate_after(200, 500, |at| match at {
            ..20.0 => (200, Duration::from_millis(10)),
            ..23.0 => (200, Duration::from_millis(40)),
            _ if random.random() < fails => (503, Duration::from_millis(40)),
            _ => (200, Duration::from_millis(40)),
        });
        assert!(sent > 499.0, "{fails}: {sent} {:?}", played.turns);
    }
}

#[test]
fn a_target_that_fails_and_then_becomes_slow_gets_all_again() {
    let mut played = Played::new(23);
    let sent = played.rate_after(200, 500, |at| match at {
        ..20.0 => (200, Duration::from_millis(10)),
        ..23.0 => (503, Duration::from_millis(10)),
        _ => (200, Duration::from_millis(40)),
    });
    assert!(sent > 499.0, "{sent} {:?}", played.turns);
}

/// It is neither normal nor twice that.
#[test]
fn a_latency_that_stays_somewhat_higher_after_an_overload_holds_nothing_back() {
    for (offered, factor) in [(200, 1.7), (500, 1.7), (500, 1.9)] {
        let mut played = Played::new(offered);
        let mut bucket = Bucket::new(offered as f64 * 0.3, offered as f64 * 0.03);
        let normal = Duration::from_millis(100);
        let sent = played.rate_after(240, offered, |at| match at {
            ..40.0 => (200, normal),
            ..60.0 => (bucket.reply(at), normal),
            _ => (200, normal.mul_f64(factor)),
        });
        let all = offered as f64 - 0.5;
        assert!(sent > all, "{offered}, {factor}: {sent} {:?}", played.turns);
        assert_eq!(
            played.turns.last(),
            Some(&Turn::Over),
            "{offered}, {factor}"
        );
    }
}
