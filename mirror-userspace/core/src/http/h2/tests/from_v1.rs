//! v1's frames, as far as they are captured: what they say of streams, and what is not concluded.

use super::{
    super::{FromV1, REFUSED_STREAM, Told},
    wire::{DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RESET, SETTINGS, WINDOW, frame},
};
use crate::random::Random;

/// The highest stream of the client.
const HIGHEST: u32 = 99;

#[derive(Default)]
struct Ear {
    from_v1: FromV1,
    told: Vec<Told<'static>>,
}

impl Ear {
    fn segment(&mut self, bytes: &[u8]) -> &mut Self {
        self.cut(bytes, bytes.len())
    }

    /// A segment of which so many bytes are captured.
    fn cut(&mut self, bytes: &[u8], captured: usize) -> &mut Self {
        let len = u32::try_from(bytes.len()).unwrap();
        let captured = bytes.get(..captured).unwrap_or(bytes);
        let told = &mut self.told;
        self.from_v1
            .handle_segment(captured, len, true, HIGHEST, &mut |one| {
                told.push(kept(one))
            });
        self
    }

    fn hole(&mut self, len: u32) -> &mut Self {
        let told = &mut self.told;
        self.from_v1
            .handle_gap(len, &mut |one| told.push(kept(one)));
        self
    }
}

/// What is told of streams; of frames, nothing is asked.
fn kept(told: Told<'_>) -> Told<'static> {
    match told {
        Told::Closed { stream, code } => Told::Closed { stream, code },
        Told::Leaving { last } => Told::Leaving { last },
        Told::Frame(_) => unreachable!(),
    }
}

fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RESET, 0, stream, &code.to_be_bytes())
}

fn goaway(last: u32) -> Vec<u8> {
    let payload = [&last.to_be_bytes()[..], &[0; 4], b"max_age"].concat();
    frame(GOAWAY, 0, 0, &payload)
}

fn refused(stream: u32) -> Told<'static> {
    let code = REFUSED_STREAM;
    Told::Closed { stream, code }
}

fn opening() -> Vec<u8> {
    let settings = frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]);
    [settings, frame(SETTINGS, 1, 0, b"")].concat()
}

fn reply(stream: u32, len: usize) -> Vec<u8> {
    [
        frame(HEADERS, END_HEADERS, stream, b"never decoded"),
        frame(DATA, END_STREAM, stream, &vec![b'x'; len]),
    ]
    .concat()
}

#[test]
fn what_v1_refuses_is_told_however_it_is_cut() {
    let stream = [
        opening(),
        reply(1, 30),
        reset(3, REFUSED_STREAM),
        goaway(7),
        reset(5, 2),
        frame(WINDOW, 0, 0, &[0, 0, 0, 9]),
    ]
    .concat();
    let expected = [
        refused(3),
        Told::Leaving { last: 7 },
        Told::Closed { stream: 5, code: 2 },
    ];
    for cut in 0..=stream.len() {
        let mut ear = Ear::default();
        ear.segment(&stream[..cut]).segment(&stream[cut..]);
        assert_eq!(ear.told, expected, "cut at {cut}");
    }
    let mut ear = Ear::default();
    for byte in &stream {
        ear.segment(&[*byte]);
    }
    assert_eq!(ear.told, expected);
}

#[test]
fn bodies_are_followed_over_what_was_not_captured() {
    let mut ear = Ear::default();
    ear.segment(&opening());
    let body = reply(1, 9_000);
    let (first, rest) = body.split_at(4_000);
    ear.cut(first, 512).cut(rest, 512);
    ear.segment(&reset(3, REFUSED_STREAM));
    assert_eq!(ear.told, [refused(3)]);
    ear.cut(
        &[&reply(5, 2_000)[..], &reset(7, REFUSED_STREAM)].concat(),
        512,
    );
    assert_eq!(ear.told, [refused(3)], "its header was not captured");
}

#[test]
fn a_hole_inside_of_a_body_does_no_harm_and_another_costs_what_is_behind_it() {
    let body = reply(1, 9_000);
    let mut ear = Ear::default();
    ear.segment(&opening()).segment(&body[..100]);
    ear.hole(8_931).segment(&reset(3, REFUSED_STREAM));
    assert_eq!(ear.told, [refused(3)]);
    ear.hole(1);
    let inside = [&b"text of a body"[..], &reset(5, REFUSED_STREAM)].concat();
    ear.segment(&inside);
    assert_eq!(ear.told, [refused(3)]);
}

#[test]
fn the_way_is_found_where_a_segment_begins() {
    let lost = || {
        let mut ear = Ear::default();
        ear.segment(&opening()).hole(3);
        ear
    };
    let fills = reset(3, REFUSED_STREAM);
    assert_eq!(
        lost().segment(&fills).told,
        [refused(3)],
        "a frame fills its segment"
    );
    let chains = [
        frame(PING, 0, 0, &[0; 8]),
        reset(5, REFUSED_STREAM),
        reply(7, 3),
    ]
    .concat();
    assert_eq!(lost().cut(&chains, 30).told, [refused(5)], "two chain");
    let mut ear = lost();
    ear.cut(&reply(7, 3_000), 512);
    ear.segment(&fills);
    assert_eq!(
        ear.told,
        [refused(3)],
        "one that is cut, and the next segment"
    );
}

#[test]
fn what_may_be_part_of_a_body_is_not_believed() {
    let alike = [
        [&reset(3, REFUSED_STREAM)[..], b"and so the text goes on"].concat(),
        [&goaway(0)[..], &[0xff; 20]].concat(),
        reset(HIGHEST + 2, REFUSED_STREAM),
        frame(RESET, 0, 2, &REFUSED_STREAM.to_be_bytes()),
        frame(RESET, 0x10, 3, &REFUSED_STREAM.to_be_bytes()),
    ];
    for bytes in alike {
        let mut ear = Ear::default();
        ear.segment(&opening()).hole(100).segment(&bytes);
        assert_eq!(ear.told, [], "{bytes:02x?}");
    }
    // Nor is the end of what was sent before.
    let mut from_v1 = FromV1::default();
    let fills = reset(3, REFUSED_STREAM);
    from_v1.handle_segment(&fills, 13, false, HIGHEST, &mut |told| panic!("{told:?}"));
}

#[test]
fn a_header_that_cannot_be_v1s_ends_what_is_believed() {
    let mut ear = Ear::default();
    let bad = frame(PING, 0, 0, &[0; 7]);
    ear.segment(&[opening(), bad, reset(3, REFUSED_STREAM)].concat());
    assert_eq!(ear.told, []);
    ear.segment(&reset(5, REFUSED_STREAM));
    assert_eq!(
        ear.told,
        [refused(5)],
        "and the next segment is another matter"
    );
}

/// Whatever is missing: what is told is true, and in order; without holes it is all of it.
#[test]
fn nothing_is_told_that_v1_did_not_say() {
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let (mut stream, mut said) = (opening(), Vec::new());
        for _ in 0..60 {
            let stream_of = |at: usize| u32::try_from(2 * at + 1).unwrap();
            let of = stream_of(random.below(50));
            match random.below(6) {
                0 => {
                    stream.extend(reset(of, REFUSED_STREAM));
                    said.push(refused(of));
                }
                1 => {
                    stream.extend(goaway(of));
                    said.push(Told::Leaving { last: of });
                }
                _ => {
                    let len = random.below(3_000);
                    stream.extend(reply(of, len));
                }
            }
        }
        let holes = seed % 2 == 0;
        let mut ear = Ear::default();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let len = random.below(4_000) + 1;
            let (segment, behind) = rest.split_at(len.min(rest.len()));
            match random.below(4) {
                0 if holes => ear.hole(u32::try_from(segment.len()).unwrap()),
                1 if holes => ear.cut(segment, 512),
                _ => ear.segment(segment),
            };
            rest = behind;
        }
        let mut all = said.iter();
        let true_ = ear.told.iter().all(|told| all.any(|said| said == told));
        assert!(true_, "seed {seed}: {:?}", ear.told);
        assert!(holes || ear.told == said, "seed {seed}");
    }
}
