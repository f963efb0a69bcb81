//! Attacks over HTTP/2: by what frames may be repeated for ever, and by what a few bytes may stand for.

use std::time::Duration;

use mirror_common::record::flag;
use mirror_core::{
    pipeline::Limits,
    testing::{block, data, frame, headers, opening},
};

use crate::attack::{Attack, Client, Targets};

const GET: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "v1"),
];
const POST: &[(&str, &str)] = &[
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "v1"),
];

const MEMORY: usize = 16 << 20;

fn limits() -> Limits {
    Limits {
        memory: MEMORY,
        ..Limits::default()
    }
}

fn begun(targets: Targets) -> (Attack, Client) {
    let mut attack = Attack::new(limits(), targets);
    let mut client = Client::number(1);
    attack.connect(&mut client);
    attack.say(&mut client, &opening());
    (attack, client)
}

/// The same bytes again and again, about 16 kB at once; what was allocated meanwhile, in bytes for each that was sent.
fn flood(attack: &mut Attack, client: &mut Client, bytes: &[u8], times: usize) -> f64 {
    let before = attack.spent();
    let at_once = 16_384 / bytes.len() + 1;
    let piece = bytes.repeat(at_once);
    for _ in 0..times / at_once {
        attack.say(client, &piece);
        attack.drain();
    }
    attack.ask();
    let sent = bytes.len() * times;
    (attack.spent() - before) as f64 / sent as f64
}

fn dropped(attack: &Attack, name: &str) -> u64 {
    let counters = attack.counters();
    let all = counters.lost_unseen.iter().chain(
        counters
            .targets
            .iter()
            .flat_map(|target| target.dropped.iter()),
    );
    let named = all.filter(|(reason, _)| reason.name() == name);
    named.map(|(_, count)| count).sum()
}

#[test]
fn frames_that_say_nothing_cost_nothing() {
    for bytes in [
        frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]),
        frame(4, 1, 0, &[]),
        frame(6, 0, 0, &[0; 8]),
        frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
        frame(2, 0, 3, &[0, 0, 0, 0, 16]),
        frame(0xfa, 0, 0, b"an extension's"),
        frame(0xfa, 0, 0, b""),
    ] {
        let (mut attack, mut client) = begun(Targets::Fast);
        let cost = flood(&mut attack, &mut client, &bytes, 100_000);
        assert!(cost < 0.1, "{cost}: {bytes:?}");
        attack.end();
    }
}

#[test]
fn rapid_reset() {
    for targets in [Targets::Fast, Targets::Stuck] {
        let (mut attack, mut client) = begun(targets);
        let before = attack.spent();
        let n = 50_000;
        for number in 0..n {
            let stream = 2 * number + 1;
            let both = [
                headers(stream, GET, true),
                frame(3, 0, stream, &[0, 0, 0, 8]),
            ];
            attack.say(&mut client, &both.concat());
        }
        assert!(attack.spent() - before < 2_048 * n as usize);
        attack.drain();
        attack.ask();
        attack.end();
    }
}

#[test]
fn resets_of_a_stream_that_has_ended() {
    for targets in [Targets::Fast, Targets::Stuck] {
        let piece = frame(3, 0, 1, &[0, 0, 0, 8]).repeat(1_000);
        let (mut attack, mut client) = begun(targets);
        attack.say(&mut client, &headers(1, GET, true));
        for _ in 0..1_000 {
            attack.say(&mut client, &piece);
        }
        attack.drain();
        attack.ask();
        attack.end();
    }
}

#[test]
fn streams_that_are_begun_and_never_end() {
    for targets in [Targets::Fast, Targets::Stuck] {
        let (mut attack, mut client) = begun(targets);
        let n = 20_000;
        for number in 0..n {
            attack.say(&mut client, &headers(2 * number + 1, POST, false));
            if number % 1_000 == 0 {
                attack.wait(Duration::from_millis(1));
                attack.ask();
            }
        }
        assert!(dropped(&attack, "too_many_streams") + dropped(&attack, "over_budget") > 0);
        attack.wait(Duration::from_millis(100));
        attack.end();
    }
}

#[test]
fn a_stream_on_each_of_many_connections() {
    for (memory, bytes) in [
        (MEMORY, headers(1, POST, false)),
        (64 << 20, headers(1, POST, false)),
        (
            MEMORY,
            [headers(1, POST, false), data(1, "x", false)].concat(),
        ),
        (MEMORY, frame(1, 1, 1, &block(POST)[..5])),
        (MEMORY, Vec::new()),
    ] {
        let limits = Limits {
            memory,
            ..Limits::default()
        };
        let mut attack = Attack::new(limits, Targets::Fast);
        for number in 0..32_768 {
            let mut client = Client::number(number);
            attack.connect(&mut client);
            attack.say(&mut client, &[opening(), bytes.clone()].concat());
            if number % 1_024 == 0 {
                attack.wait(Duration::from_millis(1));
                attack.ask();
            }
        }
        attack.wait(Duration::from_millis(100));
        attack.end();
    }
}

/// What is reserved is what is allocated, or more.
#[test]
fn what_connections_take_is_paid_for() {
    for streams in [0, 1, 2, 12, 100] {
        let bytes: Vec<_> = (0..streams)
            .flat_map(|number| headers(2 * number + 1, POST, false))
            .collect();
        let mut attack = Attack::new(limits(), Targets::Fast);
        let (held, used) = (attack.held(), attack.pipeline.budget().used());
        for number in 0..50 {
            let mut client = Client::number(number);
            attack.connect(&mut client);
            attack.say(&mut client, &[opening(), bytes.clone()].concat());
        }
        let held = (attack.held() - held).cast_unsigned() / 50;
        let used = (attack.pipeline.budget().used() - used) / 50;
        assert!(
            held <= used,
            "{streams} streams: {held} bytes, {used} reserved"
        );
        attack.end();
    }
}

#[test]
fn connections_that_come_and_go_with_a_stream_under_way() {
    let mut attack = Attack::new(limits(), Targets::Fast);
    for number in 0..30_000 {
        let mut client = Client::number(number);
        attack.connect(&mut client);
        let begun = [opening(), headers(1, POST, false)].concat();
        attack.say(&mut client, &begun);
        attack.segment(&client, client.next, flag::RST, b"");
    }
    assert_eq!(
        dropped(&attack, "reset") + dropped(&attack, "over_budget"),
        30_000
    );
    attack.end();
}

#[test]
fn a_header_block_that_goes_on_and_on() {
    let (mut attack, mut client) = begun(Targets::Fast);
    attack.say(&mut client, &frame(1, 1, 1, &block(GET)));
    let cost = flood(&mut attack, &mut client, &frame(9, 0, 1, b""), 100_000);
    assert!(cost < 0.1, "{cost}");
    assert_eq!(dropped(&attack, "http2_header_block"), 1);
    attack.end();

    let piece = frame(9, 0, 1, &block(&[("a", &"x".repeat(16_000))]));
    let (mut attack, mut client) = begun(Targets::Fast);
    attack.say(&mut client, &frame(1, 1, 1, &block(GET)));
    let cost = flood(&mut attack, &mut client, &piece, 1_000);
    assert!(cost < 0.2, "{cost}");
    assert_eq!(dropped(&attack, "http2_header_block"), 1);
    attack.end();
}

#[test]
fn a_few_bytes_that_stand_for_many() {
    // Inserts a field of 4 000 bytes, and names it again and again.
    let insert = [&[0x40, 1, b'a', 0x7f, 0xa1, 0x1e][..], &[b'x'; 4_000]].concat();
    let first = [block(GET), insert].concat();
    let (mut attack, mut client) = begun(Targets::Fast);
    attack.say(&mut client, &frame(1, 5, 1, &first));
    let before = attack.spent();
    for number in 1..500 {
        let named = [block(GET), vec![0xbe; 16_000]].concat();
        attack.say(&mut client, &frame(1, 5, 2 * number + 1, &named));
    }
    let spent = attack.spent() - before;
    assert!(spent < 500 * 200_000, "{spent}");
    assert_eq!(dropped(&attack, "too_large"), 499);
    attack.end();
}

#[test]
fn tables_that_are_filled_on_many_connections() {
    let widen = [0x3f, 0xe1, 0xff, 0x03];
    let entry = [&[0x40, 1, b'a', 0x7f, 0xa1, 0x1e][..], &[b'x'; 4_000]].concat();
    let mut attack = Attack::new(limits(), Targets::Fast);
    for number in 0..2_000 {
        let mut client = Client::number(number);
        attack.connect(&mut client);
        let filled = [&widen[..], &block(GET), &entry.repeat(4)].concat();
        let filled = frame(1, 5, 1, &filled[..filled.len().min(16_384)]);
        attack.say(&mut client, &[opening(), filled].concat());
        if number % 100 == 0 {
            attack.ask();
        }
    }
    attack.end();
}

#[test]
fn bodies_a_byte_at_a_time() {
    let limits = Limits {
        max_body: 1_000,
        ..limits()
    };
    let mut attack = Attack::new(limits, Targets::Fast);
    let mut client = Client::number(1);
    attack.connect(&mut client);
    attack.say(&mut client, &[opening(), headers(1, POST, false)].concat());
    for _ in 0..20_000 {
        attack.say(&mut client, &data(1, "x", false));
        attack.say(&mut client, &data(1, "", false));
    }
    attack.end();
}

#[test]
fn numbers_at_their_end() {
    let (mut attack, mut client) = begun(Targets::Fast);
    let last = (1 << 31) - 1;
    attack.say(&mut client, &headers(last, GET, true));
    attack.say(&mut client, &headers(last - 2, GET, true));
    attack.say(&mut client, &headers(1, GET, true));
    assert_eq!(attack.others, 1);
    attack.end();
}
