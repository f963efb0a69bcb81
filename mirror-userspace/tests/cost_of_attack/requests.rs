//! Attacks within one connection.

use std::time::Duration;

use mirror_common::record::flag;
use mirror_core::pipeline::Limits;

use crate::attack::{Attack, Client, Targets};

fn limits() -> Limits {
    Limits {
        memory: 16 << 20,
        ..Limits::default()
    }
}

fn dropped(attack: &Attack) -> Vec<(&'static str, u64)> {
    let counters = attack.counters();
    let all = [&counters.lost_unseen, &counters.targets[0].dropped];
    let some = all.into_iter().flat_map(|drops| drops.iter());
    some.filter(|(_, count)| *count > 0)
        .map(|(reason, count)| (reason.name(), count))
        .collect()
}

/// A POST whose body comes byte by byte, from its last byte to its first.
fn reversed_body(mut limits: Limits, queued_bytes: usize) -> Attack {
    limits.flow.queued_bytes = queued_bytes;
    let mut attack = Attack::new(limits, Targets::Fast);
    let mut client = Client::number(1);
    attack.connect(&mut client);
    attack.say(
        &mut client,
        b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n",
    );
    for offset in (0..100_000).rev() {
        attack.segment(&client, client.next + offset, flag::ACK, b"x");
        if offset % 4_096 == 0 {
            attack.ask();
        }
    }
    assert!(attack.spent() < 100_000 * 1_024, "{}", attack.spent());
    attack
}

#[test]
fn a_hundred_thousand_bytes_in_reverse_order() {
    let attack = reversed_body(limits(), 1 << 20);
    assert_eq!(dropped(&attack), [("gap", 1)]);
    attack.end();
}

#[test]
fn a_hundred_thousand_bytes_in_reverse_order_with_room_for_all() {
    let roomy = Limits {
        memory: 128 << 20,
        ..Limits::default()
    };
    let attack = reversed_body(roomy, 32 << 20);
    assert_eq!((dropped(&attack), attack.others), (Vec::new(), 1));
    attack.end();
}

#[test]
fn heads_of_64_kib_byte_by_byte() {
    let mut head = b"GET / HTTP/1.1\r\nCookie: ".to_vec();
    head.resize(64 * 1024 - 4, b'c');
    head.extend_from_slice(b"\r\n\r\n");
    let mut attack = Attack::new(limits(), Targets::Fast);
    let mut clients = [0, 1, 2, 3].map(Client::number);
    for client in &mut clients {
        attack.connect(client);
    }
    let clients_cost = attack.spent();
    for byte in &head {
        for client in &mut clients {
            attack.say(client, std::slice::from_ref(byte));
        }
    }
    // Kept by doubling, and written once for the target, by doubling too.
    let spent = attack.spent() - clients_cost;
    assert!(spent < 4 * 6 * head.len(), "{spent}");
    assert_eq!(attack.others, 4);
    attack.end();
}

#[test]
fn ten_thousand_field_lines() {
    let mut attack = Attack::new(limits(), Targets::Fast);
    let mut client = Client::number(1);
    attack.connect(&mut client);
    attack.say(&mut client, b"GET / HTTP/1.1\r\n");
    let before = attack.spent();
    for _ in 0..10_000 {
        attack.say(&mut client, b"a: b\r\n");
    }
    attack.say(&mut client, b"\r\n");
    // Where its body ends, the last of its lines may say: it is read on to the empty line, as any head is, and
    // what it costs is bounded by the limit of a head, not by that of lines.
    let spent = attack.spent() - before;
    assert!(spent <= Limits::default().http.head, "{spent}");
    assert_eq!(dropped(&attack), [("too_large", 1)]);
    attack.end();
}

#[test]
fn a_chunk_extension_without_end() {
    let mut attack = Attack::new(limits(), Targets::Fast);
    let mut client = Client::number(1);
    attack.connect(&mut client);
    attack.say(
        &mut client,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a=",
    );
    for _ in 0..10_000 {
        attack.say(&mut client, &[b'x'; 1_000]);
    }
    assert_eq!(dropped(&attack), [("too_large", 1)]);
    assert!(attack.spent() < 128 << 10, "{}", attack.spent());
    attack.end();
}

#[test]
fn chunks_that_are_mostly_extension() {
    let chunk = [&b"1;a="[..], &[b'x'; 4_000], b"\r\nx\r\n"].concat();
    let mut attack = Attack::new(limits(), Targets::Fast);
    let mut client = Client::number(1);
    attack.connect(&mut client);
    attack.say(
        &mut client,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    for round in 0..10_000 {
        attack.say(&mut client, &chunk);
        if round % 1_024 == 0 {
            attack.ask();
        }
    }
    attack.say(&mut client, b"0\r\n\r\n");
    assert_eq!(
        (dropped(&attack), attack.others),
        (Vec::new(), 1),
        "large, but valid"
    );
    attack.end();
}

#[test]
fn a_body_held_byte_by_byte() {
    let mut attack = Attack::new(limits(), Targets::Fast);
    let mut client = Client::number(1);
    attack.connect(&mut client);
    let before = attack.held();
    attack.say(
        &mut client,
        b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n",
    );
    for _ in 0..999_999 {
        attack.say(&mut client, b"x");
    }
    let held = attack.held() - before;
    assert!(held < 1_100_000, "{held}");
    attack.say(&mut client, b"x");
    assert_eq!(attack.others, 1);
    attack.end();
}

#[test]
fn a_hole_that_is_never_filled_again_and_again() {
    let mut attack = Attack::new(limits(), Targets::Fast);
    let mut client = Client::number(1);
    attack.connect(&mut client);
    for _ in 0..1_000 {
        client.next = client.next + 1;
        for _ in 0..20 {
            attack.say(&mut client, &[b'x'; 1_000]);
        }
        attack.wait(Duration::from_secs(1));
        attack.ask();
    }
    attack.end();
}
