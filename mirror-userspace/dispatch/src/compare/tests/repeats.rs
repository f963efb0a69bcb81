//! Without a second baseline, the baseline's own replies to the same requests tell what differs by itself.

use super::*;

/// Asks the same so often, and says what was found each time.
fn ask(versions: impl Fn(u32) -> [Vec<u8>; 2], same: impl Fn(u32) -> Option<u64>) -> Vec<Judged> {
    let mut contents = Contents::new(rules(), false);
    let mut all = Vec::new();
    for key in 0..10 {
        contents.begin(key, "GET /", |_| Asked {
            line: b"GET /"[..].into(),
            same: same(key),
        });
        let [ours, theirs] = versions(key).map(|reply| kept(&contents, key, &reply));
        contents.handle_reply(key, Part::Candidate, theirs);
        all.extend(contents.handle_reply(key, Part::Baseline, ours));
    }
    let not_compared = contents.take_not_compared();
    assert_eq!((all.len(), not_compared.total()), (10, 0));
    all
}

fn noisy(at: u32, total: u32) -> Vec<u8> {
    json(&format!("{{\"at\":{at},\"total\":{total}}}"))
}

#[test]
fn each_reply_is_used_once() {
    let judged = ask(
        |key| [noisy(2 * key, 7), noisy(2 * key + 1, 8)],
        |_| Some(1),
    );
    for (number, judged) in judged.iter().enumerate() {
        assert_eq!(judged.repeats, number % 2 == 1, "{number}");
        let theirs = ["json $.at", "json $.total"].map(|name| (name.to_owned(), Change::Changed));
        assert_eq!(named(&judged.candidate), theirs);
        let noise = judged.second.as_ref().map(named);
        let wanted = judged.repeats.then(|| one("json $.at", Change::Changed));
        assert_eq!(noise, wanted);
    }
}

#[test]
fn other_requests_tell_nothing() {
    for same in [|_| None, |key| Some(u64::from(key))] {
        let judged = ask(|key| [noisy(key, 7), noisy(key + 1, 7)], same);
        assert!(judged.iter().all(|it| !it.repeats && it.second.is_none()));
    }
}

/// That v1 failed before says nothing about the fields of what it answers now.
#[test]
fn an_earlier_reply_of_another_kind_is_no_noise() {
    let failed = || b"HTTP/1.1 500 Oh\r\nx-a: 1\r\n\r\n".to_vec();
    let judged = ask(
        |key| match key {
            0 => [failed(), failed()],
            _ => [noisy(key, 7), noisy(key, 8)],
        },
        |_| Some(1),
    );
    let repeats: Vec<_> = judged.iter().map(|it| it.repeats).take(4).collect();
    assert_eq!(repeats, [false, false, true, false]);
    for judged in judged.iter().skip(1) {
        assert_eq!(
            named(&judged.candidate),
            one("json $.total", Change::Changed)
        );
    }
}

/// Which requests are the same is not even worked out.
#[test]
fn a_second_baseline_makes_repeats_needless() {
    for has_second in [false, true] {
        let mut contents = Contents::new(rules(), has_second);
        let mut wanted = None;
        contents.begin(1, "GET /", |repeats| {
            wanted = Some(repeats);
            asked(b"GET /")
        });
        assert_eq!(wanted, Some(!has_second));
    }
}

/// What was not captured of one of three replies is compared between none of them.
#[test]
fn bodies_are_compared_between_all_or_none() {
    let mut contents = Contents::new(rules(), false).of_captured();
    for key in 0..3 {
        contents.begin(key, "GET /", |_| Asked {
            line: b"GET /"[..].into(),
            same: Some(1),
        });
        let mut ours = contents.keep(key).unwrap();
        ours.handle_head(200, b"HTTP/1.1 200 OK\r\nx-a: 1\r\n\r\n");
        ours.handle_body(b"some");
        match key {
            0 | 2 => ours.miss_rest(),
            _ => ours.complete(),
        }
        contents.handle_reply(key, Part::Baseline, ours);
        let theirs = kept(&contents, key, &reply("x-a: 2\r\n", b"more"));
        let judged = contents.handle_reply(key, Part::Candidate, theirs).unwrap();
        let header = one("header x-a", Change::Changed);
        let wanted = match key {
            // Nothing was kept of the first one, that would have no body to compare with.
            1 => [one("body", Change::Changed), header].concat(),
            _ => header,
        };
        assert_eq!(named(&judged.candidate), wanted);
        assert_eq!(judged.second.as_ref().map(named), (key == 2).then(Vec::new));
    }
    let not_compared = contents.take_not_compared();
    assert_eq!((not_compared.not_captured, not_compared.total()), (2, 2));
}
