//! Attacks by many connections.

use std::time::Duration;

use mirror_common::record::flag;
use mirror_core::pipeline::Limits;

use crate::attack::{Attack, Client, Targets};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: v1\r\nContent-Length: 900\r\n\r\n";

fn with_memory(memory: usize) -> Limits {
    Limits {
        memory,
        ..Limits::default()
    }
}

#[test]
fn a_one_byte_hole_on_each_of_65_536_connections() {
    for memory in [256 << 20, 16 << 20] {
        let mut attack = Attack::new(with_memory(memory), Targets::Fast);
        let n = 65_536;
        for number in 0..n {
            let mut client = Client::number(number);
            attack.connect(&mut client);
            attack.segment(&client, client.next + 1, flag::ACK, b"ET / HTTP/1.1\r\n");
            if number % 1_024 == 0 {
                attack.ask();
            }
        }
        assert!(attack.spent() < 4_096 * n as usize, "{}", attack.spent());
        attack.wait(Duration::from_secs(1));
        assert!(attack.pipeline.flow_counters().gaps > 0);
        attack.end();
    }
}

#[test]
fn an_unfinished_body_on_each_of_65_536_connections() {
    for memory in [256 << 20, 16 << 20] {
        let mut attack = Attack::new(with_memory(memory), Targets::Fast);
        for number in 0..65_536 {
            let mut client = Client::number(number);
            attack.connect(&mut client);
            attack.say(&mut client, HEAD);
            attack.say(&mut client, b"x");
            if number % 1_024 == 0 {
                attack.ask();
            }
        }
        attack.end();
    }
}

#[test]
fn an_unfinished_streamed_body_on_each_of_65_536_connections() {
    let head = b"POST / HTTP/1.1\r\nHost: v1\r\nContent-Length: 9000000000\r\n\r\n";
    for memory in [256 << 20, 16 << 20] {
        let mut attack = Attack::new(with_memory(memory), Targets::Fast);
        for number in 0..65_536 {
            let mut client = Client::number(number);
            attack.connect(&mut client);
            attack.say(&mut client, head);
            if number % 1_024 == 0 {
                attack.ask();
            }
        }
        attack.end();
    }
}

#[test]
fn half_a_head_on_each_of_65_536_connections() {
    for memory in [256 << 20, 16 << 20] {
        let mut attack = Attack::new(with_memory(memory), Targets::Fast);
        for number in 0..65_536 {
            let mut client = Client::number(number);
            attack.connect(&mut client);
            attack.say(&mut client, &HEAD[..20]);
            if number % 1_024 == 0 {
                attack.ask();
            }
        }
        attack.end();
    }
}

#[test]
fn a_syn_flood() {
    let mut attack = Attack::new(with_memory(16 << 20), Targets::Fast);
    let n = 300_000;
    for number in 0..n {
        attack.connect(&mut Client::number(number));
        if number % 4_096 == 0 {
            attack.ask();
        }
    }
    assert!(attack.spent() < 512 * n as usize, "{}", attack.spent());
    attack.end();
}

#[test]
fn four_tuples_that_are_used_again_and_again() {
    let mut attack = Attack::new(with_memory(16 << 20), Targets::Fast);
    let n = 100_000;
    for round in 0..n {
        let mut client = Client::number(round % 7);
        client.next = client.next + round * 5_000;
        attack.connect(&mut client);
        attack.say(&mut client, b"GET / HTTP/1.1\r\n\r\n");
        match round % 3 {
            0 => attack.segment(&client, client.next, flag::FIN | flag::ACK, b""),
            1 => attack.segment(&client, client.next, flag::RST, b""),
            _ => attack.say(&mut client, b"GET /half"),
        }
        if round % 1_024 == 0 {
            attack.ask();
        }
    }
    assert_eq!(
        attack.others,
        u64::from(n),
        "every one of them said a whole request"
    );
    assert!(attack.spent() < 2_048 * n as usize, "{}", attack.spent());
    attack.end();
}

#[test]
fn connections_that_come_and_go() {
    let mut attack = Attack::new(with_memory(16 << 20), Targets::Fast);
    let n = 100_000;
    for number in 0..n {
        let mut client = Client::number(number);
        attack.connect(&mut client);
        attack.say(&mut client, b"GET / HTTP/1.1\r\n\r\n");
        attack.segment(&client, client.next, flag::FIN | flag::ACK, b"");
        attack.now = attack.now + Duration::from_micros(100);
        if number % 1_024 == 0 {
            attack.ask();
        }
    }
    assert_eq!(attack.others, u64::from(n));
    attack.end();
}
