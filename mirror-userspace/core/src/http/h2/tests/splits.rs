//! What is told does not depend on how the bytes are cut, whatever they are.

use super::{
    feed::{Feed, Said},
    wire::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RESET, SETTINGS, WHOLE, WINDOW,
        block, connection, frame, get, inserted, post,
    },
};
use crate::random::Random;

fn conversation(random: &mut Random) -> Vec<u8> {
    let mut frames = Vec::new();
    for number in 0..random.below(12) {
        let stream = |number: usize| u32::try_from(2 * number + 1).unwrap();
        let (new, old) = (stream(number), stream(random.below(number + 1)));
        match random.below(10) {
            0 | 1 => frames.push(frame(HEADERS, WHOLE, new, &get(&[("a", "b")]))),
            2 | 3 => frames.push(frame(HEADERS, END_HEADERS, new, &post(&[]))),
            4 => {
                let list = [get(&[]), inserted("name", "value"), vec![0xbe]].concat();
                let (one, two) = list.split_at(random.below(list.len()));
                frames.push(frame(HEADERS, END_STREAM, new, one));
                frames.push(frame(CONTINUATION, END_HEADERS, new, two));
            }
            5 => frames.push(frame(DATA, 8, old, b"\x03bodyPPP")),
            6 => frames.push(frame(DATA, END_STREAM, old, b"body")),
            7 => frames.push(frame(HEADERS, WHOLE, old, &block(&[("t", "1")]))),
            8 => frames.push(frame(RESET, 0, old, &[0, 0, 0, 8])),
            _ => frames.push(match random.below(3) {
                0 => frame(PING, 0, 0, &[0; 8]),
                1 => frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]),
                _ => frame(WINDOW, 0, 0, &[0, 0, 0, 1]),
            }),
        }
    }
    connection(&frames)
}

fn read(stream: &[u8], mut piece: impl FnMut() -> usize) -> Vec<Said> {
    let mut feed = Feed::new();
    let (mut rest, mut first) = (stream, true);
    while !rest.is_empty() {
        let (bytes, after) = rest.split_at(piece().clamp(1, rest.len()));
        feed.data(bytes, first);
        (rest, first) = (after, false);
    }
    feed.close();
    feed.said
}

/// Each request is said in order, and ends once.
fn check(said: &[Said]) {
    let mut open = std::collections::BTreeSet::new();
    let mut lost = false;
    for one in said {
        match one {
            Said::Head(stream, _) => assert!(!lost && open.insert(stream), "{said:?}"),
            Said::Body(stream, _) | Said::Trailers(stream, _) => assert!(open.contains(stream)),
            Said::End(stream) => assert!(open.remove(stream), "{said:?}"),
            Said::Lost(stream, _) | Said::Reset(stream, _) => {
                open.remove(stream);
            }
            Said::ConnectionLost(_) => {
                assert!(open.is_empty() && !lost, "{said:?}");
                lost = true;
            }
            Said::OutOfStep => assert!(lost),
        }
    }
    assert!(open.is_empty(), "{said:?}");
}

#[test]
fn events_do_not_depend_on_the_cut() {
    for seed in 0..3000 {
        let mut random = Random::new(seed);
        let mut stream = conversation(&mut random);
        // Every second one has a few bytes changed.
        for _ in 0..(seed % 2) * 3 {
            let at = random.below(stream.len());
            stream[at] ^= 1 << random.below(8);
        }
        let whole = read(&stream, || stream.len());
        check(&whole);
        assert_eq!(whole, read(&stream, || 1), "seed {seed}");
        let odd = read(&stream, || 1 + random.below(40));
        assert_eq!(whole, odd, "seed {seed}");
    }
}
