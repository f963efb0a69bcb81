use mirror_core::{
    budget::Budget,
    pipeline::{ConnectionId, CopyId, Effect, Expect, Persistence, Rest, TargetId},
    value::Rate,
};

use super::*;

#[test]
fn requests_are_grouped_by_method_and_path() {
    let patterns: [PathPattern; 2] = ["/users/*", "~^/o[a-z]+$"].map(|it| it.parse().unwrap());
    for (line, plain, by_pattern) in [
        ("GET / HTTP/1.1", "GET /", "GET (other)"),
        ("GET /users/7?x=/y HTTP/1.1", "GET /users", "GET /users/*"),
        ("POST /orders HTTP/1.1", "POST /orders", "POST ~^/o[a-z]+$"),
        ("OPTIONS * HTTP/1.1", "OPTIONS *", "OPTIONS (other)"),
        ("GET /?a HTTP/1.1", "GET /", "GET (other)"),
        ("", " ", " (other)"),
    ] {
        assert_eq!(group(line.as_bytes(), &[]), plain, "{line}");
        assert_eq!(group(line.as_bytes(), &patterns), by_pattern, "{line}");
    }
}

#[test]
fn no_client_makes_a_groups_name_long() {
    let long = "x".repeat(60_000);
    for line in [
        format!("{long} / HTTP/1.1"),
        format!("GET /{long} HTTP/1.1"),
        long,
    ] {
        assert!(group(line.as_bytes(), &[]).len() <= 2 * NAMED + 1);
    }
}

#[test]
fn the_second_baseline_shows_what_differs_by_itself() {
    let (baseline, candidate) = (Some(Role::Baseline), Some(Role::Candidate));
    let roles = [baseline, None, candidate, baseline, baseline, candidate];
    let (first, second) = (Some(Part::Baseline), Some(Part::Second));
    let wanted = [first, None, Some(Part::Candidate), second, None, None];
    assert_eq!(parts(&roles, false), wanted);
    // With v1 as the baseline, no target is one.
    assert_eq!(parts(&roles, true).iter().flatten().count(), 1);
}

#[test]
fn one_role_alone_is_no_comparison() {
    let (baseline, candidate) = (Some(Role::Baseline), Some(Role::Candidate));
    let compares =
        |roles: &[_], v1| Compared::new(roles, v1, Vec::new(), ContentRules::default()).is_some();
    assert!(!compares(&[baseline, None], false) && !compares(&[baseline], true));
    assert!(compares(&[candidate, None, baseline], false) && compares(&[candidate], true));
}

/// A request over HTTP/2 whose copy goes to the candidate, which is the only target.
fn copy(number: u32) -> MirrorCopy {
    MirrorCopy {
        id: CopyId(u64::from(number)),
        target: TargetId(0),
        request: RequestKey {
            connection: ConnectionId(1),
            number,
        },
        at: Time::default(),
        wire: Wire::Http2 { trailers: None },
        pieces: Vec::new(),
        rest: Rest::Complete,
        expect: Expect::Body,
        persistence: Persistence::Persistent,
        effect: Effect::Safe,
        reserved: Budget::new(0).empty(),
    }
}

/// Compares all with v1.
fn with_v1() -> Compared {
    let rules = ContentRules {
        rate: Rate::ALL,
        ..ContentRules::default()
    };
    Compared::new(&[Some(Role::Candidate)], true, Vec::new(), rules).unwrap()
}

/// v1 says the head of a reply and a part of its body, and nothing more for now.
fn begin_reply(compared: &mut Compared, copy: &MirrorCopy, body: &'static [u8]) {
    compared.begin(copy);
    let head = SaidByV1::Head {
        status: 200,
        lines: (&b"a: b\r\n"[..]).into(),
    };
    for said in [head, SaidByV1::Body(body.into())] {
        compared.handle_said_by_v1(copy.request, &said);
    }
}

/// Replies of v1 that nobody waits for keep no room from those that somebody does: neither where the copy failed, nor
/// where it is given up for others, nor at the end.
#[test]
fn what_nobody_waits_for_takes_no_room() {
    static BODY: [u8; 60_000] = [1; 60_000];
    let mut compared = with_v1();
    for number in 0..5_000 {
        let copy = copy(number);
        begin_reply(&mut compared, &copy, &BODY);
        let used = compared.contents.budget().used();
        assert!(
            (BODY.len()..2 * BODY.len()).contains(&used),
            "{number}: {used}"
        );
        let failed = Outcome::Failed(Failure::Reset);
        compared.end(0, copy.request, &failed);
        assert_eq!(compared.contents.budget().used(), 0, "{number}");
    }
    // Of more than may wait, the oldest are given up.
    for number in 5_000..20_000 {
        begin_reply(&mut compared, &copy(number), b"x");
    }
    let waiting = compared.contents.budget().used();
    assert!(waiting < 2_048 * 100, "{waiting}");
    compared.close();
    assert_eq!(compared.contents.budget().used(), 0);
}

/// Of a request whose copy a target does not take, no reply is kept, whichever target is the first to be given one.
#[test]
fn what_a_target_turns_away_is_not_waited_for() {
    let rules = ContentRules {
        rate: Rate::ALL,
        ..ContentRules::default()
    };
    let roles = [Some(Role::Baseline), Some(Role::Candidate)];
    for turns_away in [0, 1] {
        let mut compared = Compared::new(&roles, false, Vec::new(), rules.clone()).unwrap();
        for number in 0..100 {
            let mut copy = copy(number);
            for target in 0..2 {
                copy.target = TargetId(target);
                compared.begin(&copy);
                if target == turns_away {
                    compared.turn_away(target, copy.request);
                }
            }
            let other = 1 - turns_away;
            assert!(compared.keep(other, copy.request).is_none(), "{number}");
            let answered = Outcome::Answered(Answer {
                status: 200,
                latency: None,
                connection: After::Reusable,
            });
            compared.end(other, copy.request, &answered);
        }
        let comparison = compared.comparison();
        assert_eq!(comparison.not_compared, 100);
        let contents = &comparison.contents_not_compared;
        assert_eq!((contents.incomplete, contents.total()), (100, 100));
    }
    // v1's replies neither.
    let mut compared = with_v1();
    begin_reply(&mut compared, &copy(1), b"x");
    assert!(compared.contents.budget().used() > 0);
    compared.turn_away(0, copy(1).request);
    assert_eq!(compared.contents.budget().used(), 0);
}
