//! Targets that do not read: everything that is for them waits, within the budget.

use mirror_core::pipeline::Limits;

use crate::attack::{Attack, Client, Targets};

const MEMORY: usize = 4 << 20;

/// What may be held when nothing waits: places in tables, and 1/32 of the memory in blocks that the
/// next bodies get.
const AT_REST: usize = (128 << 10) + MEMORY / 32;

fn attack() -> (Attack, Client) {
    let limits = Limits {
        memory: MEMORY,
        max_body: 100_000,
        ..Limits::default()
    };
    let mut attack = Attack::new(limits, Targets::Stuck);
    let mut client = Client::number(1);
    attack.connect(&mut client);
    (attack, client)
}

/// The targets read again: what waited is sent, and the memory is free.
fn recover(mut attack: Attack) {
    let counters = attack.counters();
    assert!(counters.targets[0].handed_over > 0);
    attack.drain();
    let held = attack.held();
    assert!(
        held < AT_REST.cast_signed(),
        "{held} bytes are held for nothing"
    );
    attack.end();
}

#[test]
fn tiny_requests() {
    let many = b"GET / HTTP/1.1\r\nHost:\r\n\r\n".repeat(1_000);
    let (mut attack, mut client) = attack();
    for _ in 0..100 {
        attack.say(&mut client, &many);
    }
    let dropped = attack.counters().targets[0].dropped.total();
    assert!(dropped > 50_000, "{dropped}");
    recover(attack);
}

#[test]
fn a_streamed_body_byte_by_byte() {
    let (mut attack, mut client) = attack();
    attack.say(
        &mut client,
        b"POST / HTTP/1.1\r\nContent-Length: 200000\r\n\r\n",
    );
    for _ in 0..200_000 {
        attack.say(&mut client, b"x");
    }
    recover(attack);
}

#[test]
fn chunks_of_one_byte_in_segments_of_one_byte() {
    let (mut attack, mut client) = attack();
    attack.say(
        &mut client,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    for _ in 0..40_000 {
        for byte in b"1\r\nx\r\n" {
            attack.say(&mut client, &[*byte]);
        }
    }
    recover(attack);
}

#[test]
fn bodies_of_many_sizes() {
    let (mut attack, mut client) = attack();
    for size in (0..100_000).step_by(997) {
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {size}\r\n\r\n");
        attack.say(&mut client, head.as_bytes());
        for piece in [b'x'; 100_000][..size].chunks(1 + size % 1_448) {
            attack.say(&mut client, piece);
        }
    }
    recover(attack);
}
