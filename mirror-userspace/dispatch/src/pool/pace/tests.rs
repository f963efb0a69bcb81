use super::*;

const SOON: Duration = Duration::from_micros(100);

fn at(seconds: u64) -> Time {
    Time::from_nanos((1_000_000 + seconds) * 1_000_000_000)
}

fn link(slot: usize) -> LinkId {
    LinkId { target: 0, slot }
}

/// What connection 0 tries goes well.
fn prove(pace: &mut Pace, now: Time) {
    for _ in 0..ENOUGH {
        assert_eq!(pace.most(now, link(0), 9, true), 2);
        pace.begin(link(0));
        pace.handle_answer(now, link(0), true, SOON);
    }
}

#[test]
fn one_connection_tries_it_for_all() {
    let mut pace = Pace::default();
    assert_eq!(
        (
            pace.most(at(0), link(0), 1, true),
            pace.most(at(0), link(1), 1, true)
        ),
        (2, 2)
    );
    pace.begin(link(0));
    assert_eq!(
        (
            pace.most(at(0), link(0), 1, true),
            pace.most(at(0), link(1), 1, true)
        ),
        (2, 1)
    );
    for _ in 0..100 {
        // Neither what others answer nor what went alone says anything.
        pace.handle_answer(at(0), link(1), true, SOON);
        pace.handle_answer(at(0), link(0), false, SOON);
    }
    assert_eq!(pace.most(at(0), link(1), 1, true), 1);
    prove(&mut pace, at(0));
    assert_eq!(
        (
            pace.most(at(0), link(0), 1, true),
            pace.most(at(0), link(1), 1, true)
        ),
        (MOST, MOST)
    );
}

#[test]
fn another_one_tries_it_if_the_first_is_closed() {
    let mut pace = Pace::default();
    pace.begin(link(0));
    assert_eq!(pace.most(at(0), link(1), 1, true), 1);
    pace.withdraw(link(1));
    assert_eq!(pace.most(at(0), link(1), 1, true), 1);
    pace.withdraw(link(0));
    assert_eq!(pace.most(at(0), link(1), 1, true), 2);
}

#[test]
fn who_cannot_do_it_is_asked_ever_more_seldom() {
    let mut pace = Pace::default();
    let mut now = 0;
    for wait in [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600] {
        assert_eq!(pace.most(at(now), link(0), 9, true), 2);
        pace.begin(link(0));
        pace.handle_trouble(at(now));
        // Those that were under way are the same trouble.
        pace.handle_trouble(at(now + 5));
        assert_eq!(pace.most(at(now + wait - 1), link(0), 9, true), 1);
        now += wait;
    }
    prove(&mut pace, at(now));
}

#[test]
fn what_went_well_for_long_is_forgiven_and_what_did_not_is_not() {
    let mut pace = Pace::default();
    pace.handle_trouble(at(0));
    prove(&mut pace, at(10));
    pace.handle_trouble(at(29));
    assert_eq!(
        (
            pace.most(at(48), link(0), 9, true),
            pace.most(at(49), link(0), 9, true)
        ),
        (1, 2)
    );
    prove(&mut pace, at(49));
    pace.handle_trouble(at(89));
    assert_eq!(
        (
            pace.most(at(98), link(0), 9, true),
            pace.most(at(99), link(0), 9, true)
        ),
        (1, 2)
    );
}

#[test]
fn that_it_went_well_does_not_count_where_bodies_are_cut() {
    let mut pace = Pace::default();
    let mut now = 0;
    for wait in [10, 20, 40, 80] {
        prove(&mut pace, at(now));
        now += 100;
        pace.handle_cut(at(now));
        assert_eq!(pace.most(at(now + wait - 1), link(0), 9, true), 1);
        now += wait;
    }
}

#[test]
fn nothing_is_written_behind_the_last_request_that_a_connection_takes() {
    let mut pace = Pace::default();
    prove(&mut pace, at(0));
    pace.handle_last(at(0), 1_000);
    // That of another connection, on which copies were on their way behind its last.
    pace.handle_last(at(0), 1_000);
    let most =
        [0, 900, 940, 990, 999, 1_000].map(|answered| pace.most(at(0), link(0), answered, true));
    assert_eq!(most, [MOST, MOST, 60, 10, 1, 1]);
    // It takes more after all, and then it is anybody's guess.
    pace.handle_another(999);
    assert_eq!(pace.most(at(0), link(0), 990, true), 10);
    pace.handle_another(1_000);
    assert_eq!(pace.most(at(0), link(0), 990, true), MOST);
    pace.handle_last(at(0), 700);
    assert_eq!(pace.most(at(0), link(0), 1, true), 1);
}

#[test]
fn an_endpoint_that_closes_here_and_there_is_in_trouble() {
    let mut pace = Pace::default();
    prove(&mut pace, at(0));
    pace.handle_last(at(0), 20);
    assert_eq!(pace.most(at(0), link(0), 5, true), 15);
    pace.handle_last(at(0), 17);
    assert_eq!(pace.most(at(9), link(0), 5, true), 1);
    assert_eq!(pace.most(at(10), link(0), 5, true), 2);
}

#[test]
fn slow_replies_have_few_behind_them() {
    for (millis, most) in [(0, 64), (1, 25), (5, 5), (12, 2), (13, 1), (1_000, 1)] {
        let mut pace = Pace::default();
        prove(&mut pace, at(0));
        for _ in 0..200 {
            pace.handle_answer(at(0), link(0), false, Duration::from_millis(millis));
        }
        assert_eq!(pace.most(at(0), link(0), 99, true), most, "{millis} ms");
    }
    let mut pace = Pace::default();
    prove(&mut pace, at(0));
    pace.set_stalled(true);
    assert_eq!(pace.most(at(0), link(0), 99, true), 1);
    pace.set_stalled(false);
    assert_eq!(pace.most(at(0), link(0), 99, true), MOST);
}

#[test]
fn long_bodies_count_as_well() {
    let mut pace = Pace::default();
    prove(&mut pace, at(0));
    for _ in 0..200 {
        pace.handle_answer(at(0), link(0), false, SOON);
        pace.handle_body(Duration::from_secs(1));
    }
    assert_eq!(pace.most(at(0), link(0), 99, true), 1);
}
