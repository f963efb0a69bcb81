//! Random conversations, cut, repeated, reordered, overlapping, interleaved: all come back exactly.

use mirror_core::{
    pipeline::{ConnectionId, Limits},
    random::Random,
    segment::SeqNum,
};

use crate::{
    generate::{Request, segments},
    mirror::{Client, Mirror, Sent},
};

/// One connection: what it says, and the segments that are still to arrive.
struct Connection {
    client: Client,
    requests: Vec<Request>,
    stream: Vec<u8>,
    segments: Vec<(usize, usize)>,
}

impl Connection {
    fn random(number: u8, random: &mut Random) -> Self {
        let requests: Vec<_> = (0..1 + random.below(8))
            .map(|_| Request::random(random))
            .collect();
        let stream: Vec<u8> = requests.iter().flat_map(Request::wire).collect();
        let mut segments = segments(random, stream.len());
        segments.reverse();
        // Often such that sequence numbers wrap within the stream.
        let wrapping = SeqNum(0) - u32::try_from(random.below(stream.len())).unwrap();
        let anywhere = SeqNum((random.bits() >> 32) as u32);
        let first = if random.one_in(2) { wrapping } else { anywhere };
        Self {
            client: Client { number, first },
            requests,
            stream,
            segments,
        }
    }
}

fn come_back_exactly(seed: u64) {
    let mut random = Random::new(seed);
    let limits = Limits {
        memory: 8 << 20,
        max_body: 2_000,
        ..Limits::default()
    };
    let mut mirror = Mirror::new(limits);
    let count = 1 + random.below(6);
    let numbers = (0..=u8::MAX).take(count);
    let mut connections: Vec<_> = numbers
        .map(|number| Connection::random(number, &mut random))
        .collect();
    for connection in &connections {
        mirror.connect(connection.client);
    }
    let mut open: Vec<_> = (0..connections.len()).collect();
    while !open.is_empty() {
        let which = random.below(open.len());
        let connection = &mut connections[open[which]];
        let Some((at, len)) = connection.segments.pop() else {
            let at = connection.stream.len();
            let fin = Sent {
                at,
                fin: true,
                ..Sent::default()
            };
            mirror.send(connection.client, fin);
            open.swap_remove(which);
            continue;
        };
        let bytes = &connection.stream[at..at + len];
        mirror.send(
            connection.client,
            Sent {
                at,
                bytes,
                ..Sent::default()
            },
        );
    }
    mirror.check_balance();
    assert_eq!(mirror.pipeline.connections(), 0, "all ended by their FIN");
    for (number, connection) in (1..).zip(&connections) {
        let expected: Vec<_> = connection.requests.iter().map(Request::mirrored).collect();
        let received = mirror
            .copies
            .remove(&ConnectionId(number))
            .unwrap_or_default();
        assert_eq!(received.len(), expected.len(), "connection {number}");
        for (received, expected) in received.iter().zip(&expected) {
            let (received, expected) = (received.escape_ascii(), expected.escape_ascii());
            assert_eq!(received.to_string(), expected.to_string());
        }
    }
    let counters = mirror.pipeline.counters();
    assert_eq!(counters.requests, counters.targets[0].handed_over);
}

#[test]
fn whatever_the_network_does_requests_come_back_exactly() {
    for seed in 0..400 {
        let run = std::panic::catch_unwind(|| come_back_exactly(seed));
        assert!(run.is_ok(), "seed {seed}");
    }
}
