//! Whatever a target answers costs no more than was set aside for it.

use mirror_core::{budget::Pool, random::Random};

use super::*;

#[test]
fn hostile_replies_stay_in_bounds() {
    let good = json("{}");
    let deep = "[".repeat(30_000) + &"]".repeat(30_000);
    let many = format!("[{}0]", "0,".repeat(30_000));
    let wide: String = (0..6_000).map(|at| format!("\"{at}\":0,")).collect();
    for (body, wanted) in [
        (deep, true),
        (many, true),
        (format!("{{{wide}\"\":0}}"), false),
    ] {
        let (judged, not_compared) = judged(rules(), &good, &json(&body));
        assert_eq!(not_compared.too_deep, u64::from(wanted));
        assert_eq!(judged.is_some(), !wanted);
        assert!(judged.is_none_or(|it| it.candidate.iter().count() == 64));
    }
    let bomb = gzip(&vec![b' '; 50 << 20], 9);
    assert!(bomb.len() < 64 << 10, "{}", bomb.len());
    let head = "content-encoding: gzip\r\ncontent-type: application/json\r\n";
    let (_, not_compared) = judged(rules(), &good, &reply(head, &bomb));
    assert_eq!((not_compared.too_long, not_compared.total()), (1, 1));
    // A window of 3.75 TiB, of which nothing is allocated.
    let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, 0x01, 0, 0];
    let theirs = reply("content-encoding: zstd\r\n", &zstd);
    let named = differing(rules(), &reply("content-encoding: zstd\r\n", b""), &theirs);
    assert_eq!(named, one("body encoding", Change::Changed));
}

/// Whatever bytes a target sends, nothing panics and the budget comes back.
#[test]
fn any_bytes_can_be_compared() {
    let mut random = Random::new(14);
    let body = json(r#"{"a":[1,{"b":null}],"c":"d"}"#);
    for _ in 0..3_000 {
        let mut theirs = body.clone();
        for _ in 0..=random.below(6) {
            let at = 20 + random.below(theirs.len() - 20);
            theirs[at] = u8::try_from(random.below(256)).unwrap();
        }
        if theirs.windows(4).any(|it| it == b"\r\n\r\n") {
            judged(rules(), &body, &theirs);
        }
    }
    for encoding in ["gzip", "br", "zstd", "deflate"] {
        for _ in 0..500 {
            let mut bytes = gzip(b"{}", 1);
            for byte in bytes
                .iter_mut()
                .skip(if encoding == "gzip" { 10 } else { 0 })
            {
                *byte = u8::try_from(random.below(256)).unwrap();
            }
            let theirs = reply(&format!("content-encoding: {encoding}\r\n"), &bytes);
            judged(rules(), &body, &theirs);
        }
    }
}

#[test]
fn what_waits_is_bounded_and_what_is_not_in_the_sample_costs_nothing() {
    let mut contents = Contents::new(rules(), false);
    for key in 0..3_000 {
        contents.begin(key, "GET /", |_| asked(b""));
        let ours = kept(&contents, key, &reply("", &[0; 100_000]));
        contents.handle_reply(key, Part::Baseline, ours);
        assert!(contents.budget.used() <= rules().memory);
    }
    let not_compared = contents.take_not_compared();
    assert!(not_compared.no_room > 2_000, "{not_compared:?}");
    assert!(contents.open.len() <= room::OPEN);
    let rate = ContentRules {
        rate: "0".parse().unwrap(),
        ..rules()
    };
    let mut contents = Contents::new(rate, false);
    contents.begin(1, "GET /", |_| asked(b""));
    assert!(contents.keep(1).is_none() && contents.open.is_empty());
}

/// Those of several comparisons, as documents ask for them.
#[test]
fn replies_take_no_more_than_their_pool_has() {
    let pool = Pool::new(256 << 10);
    let rules = ContentRules {
        pool: Some(pool.clone()),
        ..rules()
    };
    let mut both = [0, 1].map(|_| Contents::new(rules.clone(), false));
    for contents in &mut both {
        for key in 0..20 {
            contents.begin(key, "GET /", |_| asked(b""));
            let ours = kept(contents, key, &reply("", &[0; 30_000]));
            contents.handle_reply(key, Part::Baseline, ours);
            assert!(pool.used() <= pool.limit());
        }
    }
    let no_room = both.each_mut().map(|it| it.take_not_compared().no_room);
    assert!(no_room.iter().all(|no_room| *no_room > 0), "{no_room:?}");
    drop(both);
    assert_eq!(pool.used(), 0);
}

/// Comparisons whose replies may take a quarter of what a namespace has, and what it has.
fn of_namespace() -> (Pool, ContentRules) {
    let whole = Pool::new(2 << 20);
    let rules = ContentRules {
        pool: Some(whole.part(512 << 10)),
        ..rules()
    };
    (whole, rules)
}

/// How many of so many requests, none of which comes again, are compared.
fn compared(contents: &mut Contents<u32>, keys: std::ops::Range<u32>, body: usize) -> usize {
    let judged = keys.filter_map(|key| {
        contents.begin(key, "GET /", |_| Asked {
            same: Some(u64::from(key)),
            ..asked(b"")
        });
        let reply = reply("", &vec![0; body]);
        let ours = kept(contents, key, &reply);
        assert!(contents.handle_reply(key, Part::Baseline, ours).is_none());
        let theirs = contents
            .keep(key)
            .is_some()
            .then(|| kept(contents, key, &reply));
        contents.handle_reply(key, Part::Candidate, theirs?)
    });
    judged.count()
}

#[test]
fn replies_that_nobody_asks_for_again_are_in_nobodys_way() {
    let (whole, rules) = of_namespace();
    let mut both = [0, 1].map(|_| Contents::new(rules.clone(), false));
    for (contents, body) in both.iter_mut().zip([10_000, 60_000]) {
        assert_eq!(compared(contents, 0..100, body), 100);
        assert_eq!(contents.take_not_compared().total(), 0);
    }
    let copies = Budget::of_pool(usize::MAX, whole.clone());
    assert!(copies.reserve(1_536 << 10).is_some());
    drop((copies, both));
    assert_eq!(whole.used(), 0);
}

#[test]
fn requests_that_v1_never_answers_give_way() {
    let (_, rules) = of_namespace();
    let mut contents = Contents::new(rules, false).of_captured();
    for key in 0..100 {
        contents.begin(key, "GET /", |_| asked(b""));
        let theirs = kept(&contents, key, &reply("", &[0; 60_000]));
        contents.handle_reply(key, Part::Candidate, theirs);
    }
    let compared = compared(&mut contents, 100..200, 60_000);
    assert!(compared >= 98, "{compared}");
}
