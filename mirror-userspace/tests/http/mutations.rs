//! Streams that are nearly right, cut anywhere: what is said must not depend on the cuts.

use mirror_core::{
    http::{Lost, Protocol},
    random::Random,
};

use crate::feed::{Connection, Said, complete, lost, protocols, text};

const SEED: u64 = 0x5eed_0000_0000_0003;
const ROUNDS: usize = 30_000;

const STREAMS: [&str; 5] = [
    "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcHEAD /3 HTTP/1.0\r\n\r\n",
    "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0\r\nT: v\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
    "\r\nBREW /pot HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab\r\n",
    "PUT / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\naGET / HTTP/1.1\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n",
];

fn mutated(numbers: &mut Random) -> Vec<u8> {
    let mut stream = STREAMS[numbers.below(STREAMS.len())].as_bytes().to_vec();
    for _ in 0..numbers.below(4) {
        let at = numbers.below(stream.len());
        match numbers.below(4) {
            0 => drop(stream.remove(at)),
            1 => stream.insert(at, stream[at]),
            2 => stream[at] = b"\r\n :;,=\"0aG\0\x16\xff"[numbers.below(14)],
            _ => {
                let other = numbers.below(stream.len());
                stream.swap(at, other);
            }
        }
    }
    stream
}

fn check(stream: &[u8], said: &[Said]) {
    let protocols = protocols(said);
    assert_eq!(
        protocols
            .iter()
            .filter(|it| **it != Protocol::Upgraded)
            .count(),
        1
    );
    assert!(
        matches!(said[0], Said::Protocol(_)),
        "said before everything else"
    );
    // The client waits for nothing here, so that a loss stands for all that follows it. One is told apart,
    // as it is behind a good request: bytes where the client itself said that nothing follows.
    match &lost(said)[..] {
        [] | [_] => {}
        [_, Lost::Malformed] => assert!(
            text(stream).to_lowercase().contains("close"),
            "{}",
            text(stream)
        ),
        more => panic!("{more:?}: {}", text(stream)),
    }
    complete(said);
}

#[test]
fn cuts_change_nothing() {
    println!("seed {SEED:#x}");
    let mut numbers = Random::new(SEED);
    for round in 0..ROUNDS {
        let stream = mutated(&mut numbers);
        let whole = Connection::from_start().segment(&stream, 1).close();
        check(&stream, &whole);
        let mut cut = Connection::from_start();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + numbers.below(rest.len().min(40)));
            cut.segment(piece, 1);
            rest = after;
        }
        assert_eq!(cut.close(), whole, "round {round}: {}", text(&stream));
    }
}

#[test]
fn out_of_step_nothing_is_said_of_a_request_that_did_not_prove_itself() {
    println!("seed {SEED:#x}");
    let mut numbers = Random::new(SEED);
    for round in 0..ROUNDS {
        let stream = mutated(&mut numbers);
        let mut midway = Connection::midway();
        let mut ack = 0;
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + numbers.below(rest.len().min(60)));
            rest = after;
            ack += u32::from(numbers.below(2) == 0);
            if numbers.below(8) == 0 {
                midway.gap(piece.len() as u64);
            } else {
                midway.segment(piece, ack);
            }
        }
        let said = midway.close();
        // Every request that came out whole stands in the stream as it was sent.
        for (request, body) in complete(&said) {
            let sent = [request.raw, body].concat();
            let found = stream.windows(sent.len()).any(|window| window == sent);
            assert!(found, "round {round}: {}", text(&stream));
        }
        let named = protocols(&said);
        assert_eq!(
            named.iter().filter(|it| **it != Protocol::Upgraded).count(),
            1
        );
        assert!(matches!(said[0], Said::Protocol(_)));
    }
}
