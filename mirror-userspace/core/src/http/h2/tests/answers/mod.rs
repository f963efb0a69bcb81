//! What v1 answers, as far as its frames are captured.

mod random;

use super::{
    super::{AnswerReader, FromV1, Limits, Said, Shared, Told},
    wire::{CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, WHOLE, field, frame},
};
use crate::budget::Budget;

/// The highest stream of the client.
const HIGHEST: u32 = 999;
const PUSH_PROMISE: u8 = 5;

/// `:status: 200` of the static table.
const OK: u8 = 0x88;

struct Ear {
    from_v1: FromV1,
    reader: Option<AnswerReader>,
    shared: Shared,
    calls: bool,
    said: Vec<(u32, String)>,
}

fn words(said: &Said<'_>) -> String {
    let text = |lines: Option<Vec<u8>>| match lines {
        Some(lines) => String::from_utf8(lines).unwrap().replace("\r\n", ";"),
        None => "malformed".to_owned(),
    };
    match said {
        Said::Answer { status, grpc: None } => format!("answer {status}"),
        Said::Answer {
            status,
            grpc: Some(grpc),
        } => format!("answer {status} grpc {grpc}"),
        Said::Head { status, fields } => format!("head {status} {}", text(fields.to_lines())),
        Said::Body(bytes) => format!("body {}", str::from_utf8(bytes).unwrap()),
        Said::Trailers(fields) => format!("trailers {}", text(fields.to_lines())),
        Said::Missed(why) => format!("missed {why:?}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

impl Ear {
    fn new() -> Self {
        Self::with(Budget::new(1 << 20))
    }

    fn with(budget: Budget) -> Self {
        let mut from_v1 = FromV1::default();
        from_v1.tell_frames();
        Self {
            from_v1,
            reader: Some(AnswerReader::new(&budget)),
            shared: Shared::new(Limits::default(), budget),
            calls: true,
            said: Vec::new(),
        }
    }

    fn segment(&mut self, bytes: &[u8]) -> &mut Self {
        self.cut(bytes, bytes.len())
    }

    /// A segment of which so many bytes are captured.
    fn cut(&mut self, bytes: &[u8], captured: usize) -> &mut Self {
        let len = u32::try_from(bytes.len()).unwrap();
        let captured = bytes.get(..captured).unwrap_or(bytes);
        self.follow(|from_v1, tell| {
            from_v1.handle_segment(captured, len, true, HIGHEST, &mut |told| tell(told));
        })
    }

    fn hole(&mut self, len: usize) -> &mut Self {
        let len = u32::try_from(len).unwrap();
        self.follow(|from_v1, tell| from_v1.handle_gap(len, &mut |told| tell(told)))
    }

    fn follow(&mut self, follow: impl FnOnce(&mut FromV1, &mut dyn FnMut(Told<'_>))) -> &mut Self {
        let Self {
            from_v1,
            reader,
            shared,
            calls,
            said,
        } = self;
        let reader = reader.as_mut().unwrap();
        let mut note = |stream: u32, what: Said<'_>| {
            let words = words(&what);
            match (said.last_mut(), words.strip_prefix("body ")) {
                (Some((last, before)), Some(more))
                    if *last == stream && before.starts_with("body ") =>
                {
                    before.push_str(more);
                }
                _ => said.push((stream, words)),
            }
        };
        follow(from_v1, &mut |told| match told {
            Told::Frame(framed) => reader.handle(framed, *calls, shared, &mut note),
            Told::Closed { stream, code } => reader.handle_reset(stream, code, &mut note),
            Told::Leaving { .. } => {}
        });
        self
    }

    fn said(&self) -> Vec<(u32, &str)> {
        let said = self.said.iter();
        said.map(|(stream, words)| (*stream, &**words)).collect()
    }

    /// The connection ends: all memory comes back.
    fn end(mut self) -> Vec<(u32, String)> {
        let said = &mut self.said;
        let mut reader = self.reader.take().unwrap();
        reader.handle_close(&mut |stream, what| said.push((stream, words(&what))));
        drop(reader);
        assert_eq!(self.shared.budget.used(), 0);
        self.said
    }
}

fn settings() -> Vec<u8> {
    [
        frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]),
        frame(SETTINGS, 1, 0, b""),
    ]
    .concat()
}

/// An encoder that inserts every field that it has not inserted before.
#[derive(Default)]
struct Encoder(Vec<(String, String)>);

impl Encoder {
    fn block(&mut self, first: &[u8], fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = first.to_vec();
        for (name, value) in fields {
            let owned = ((*name).to_owned(), (*value).to_owned());
            match self.0.iter().rev().position(|it| *it == owned) {
                Some(place) if place < 20 => block.push(0x80 | u8::try_from(62 + place).unwrap()),
                _ => {
                    block.extend(super::wire::inserted(name, value));
                    self.0.push(owned);
                }
            }
        }
        block
    }

    fn head(&mut self, stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
        let block = self.block(&[OK], fields);
        frame(HEADERS, flags | END_HEADERS, stream, &block)
    }

    fn trailers(&mut self, stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
        let block = self.block(&[], fields);
        frame(HEADERS, WHOLE, stream, &block)
    }
}

fn data(stream: u32, ends: bool, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, if ends { END_STREAM } else { 0 }, stream, bytes)
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");

#[test]
fn answers_are_told_however_they_are_cut() {
    let mut encoder = Encoder::default();
    let heads = [
        encoder.head(1, 0, &[("content-type", "text/html"), ("x-a", "1")]),
        encoder.head(3, 0, &[GRPC, ("x-a", "1")]),
    ];
    let [page, call] = heads;
    let trailers = encoder.trailers(3, &[("grpc-status", "5"), ("x-t", "2")]);
    // Padding and priority are nothing.
    let block = encoder.block(&[OK], &[GRPC]);
    let padded = [&[3, 0, 0, 0, 0, 0][..], &block, &[0; 3]].concat();
    let stream = [
        settings(),
        page,
        data(1, false, b"some"),
        call,
        data(3, false, b"message"),
        data(1, true, b"more"),
        trailers,
        frame(HEADERS, 0x8 | 0x20 | WHOLE, 5, &padded),
        frame(HEADERS, 0, 7, &[0x48, 3]),
        frame(CONTINUATION, END_HEADERS, 7, b"103"),
        encoder.head(7, END_STREAM, &[]),
    ]
    .concat();
    let wanted = [
        (1, "head 200 content-type: text/html;x-a: 1;"),
        (1, "answer 200"),
        (1, "body some"),
        (3, "head 200 content-type: application/grpc;x-a: 1;"),
        (3, "body message"),
        (1, "body more"),
        (1, "end"),
        (3, "trailers grpc-status: 5;x-t: 2;"),
        (3, "answer 200 grpc 5"),
        (3, "end"),
        (5, "head 200 content-type: application/grpc;"),
        (5, "answer 200 grpc 2"),
        (5, "end"),
        (7, "head 200 "),
        (7, "answer 200"),
        (7, "end"),
    ];
    for cut in 0..=stream.len() {
        let mut ear = Ear::new();
        ear.segment(&stream[..cut]).segment(&stream[cut..]);
        assert_eq!(ear.said(), wanted, "cut at {cut}");
        assert_eq!(ear.end().len(), wanted.len());
    }
    let mut ear = Ear::new();
    for byte in &stream {
        ear.segment(&[*byte]);
    }
    assert_eq!(ear.said(), wanted);
}

/// The status is one of the static table; what was inserted in a block that is lost costs those that refer to it.
#[test]
fn a_block_that_is_cut_costs_what_refers_to_it() {
    let mut encoder = Encoder::default();
    let mut ear = Ear::new();
    ear.calls = false;
    let first = [settings(), encoder.head(1, END_STREAM, &[("x-a", "1")])].concat();
    // Its block is cut, but not its status.
    ear.cut(&first, first.len() - 1);
    ear.segment(&encoder.head(3, END_STREAM, &[("x-a", "1"), ("x-b", "2")]));
    ear.segment(&encoder.head(5, END_STREAM, &[("x-b", "2")]));
    let wanted = [
        (1, "missed NotCaptured"),
        (1, "unknown"),
        (3, "missed NotDecoded"),
        (3, "answer 200"),
        (5, "head 200 x-b: 2;"),
        (5, "answer 200"),
        (5, "end"),
    ];
    assert_eq!(ear.said(), wanted);
    // What is pushed is of the table, too.
    let mut ear = Ear::new();
    ear.calls = false;
    let mut encoder = Encoder::default();
    ear.segment(&settings());
    ear.segment(&encoder.head(1, END_STREAM, &[("x-a", "1")]));
    ear.segment(&frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x88]));
    ear.segment(&encoder.head(3, END_STREAM, &[("x-a", "1")]));
    assert_eq!(ear.said().last(), Some(&(3, "answer 200")));
}

#[test]
fn of_a_body_that_is_cut_the_rest_is_told() {
    let mut encoder = Encoder::default();
    let mut ear = Ear::new();
    let reply = [encoder.head(1, 0, &[GRPC]), data(1, false, &[b'x'; 3_000])].concat();
    ear.segment(&settings())
        .cut(&reply[..1_400], 512)
        .cut(&reply[1_400..], 512);
    ear.segment(&encoder.trailers(1, &[("grpc-status", "0")]));
    let said = ear.said();
    assert!(said[1].1.starts_with("body xxx"), "{said:?}");
    let wanted = [
        (1, "bodymissed"),
        (1, "trailers grpc-status: 0;"),
        (1, "answer 200 grpc 0"),
        (1, "end"),
    ];
    assert_eq!(said[2..], wanted);
}

/// A call of which some frames are missing is told by its trailers, a page by its head.
#[test]
fn where_frames_are_missing_what_is_certain_is_told() {
    let mut encoder = Encoder::default();
    let heads = [
        encoder.head(1, 0, &[GRPC]),
        encoder.head(3, 0, &[("x-a", "1")]),
    ]
    .concat();
    let mut ear = Ear::new();
    ear.segment(&settings()).segment(&heads).hole(100);
    ear.segment(&encoder.trailers(1, &[("grpc-status", "14")]));
    let wanted = [
        (1, "bodymissed"),
        (3, "missed Rest"),
        (1, "trailers grpc-status: 14;"),
        (1, "answer 200 grpc 14"),
        (1, "end"),
    ];
    assert_eq!(ear.said()[3..], wanted);
    // What begins with its trailers was not seen to begin.
    ear.segment(&encoder.trailers(5, &[("grpc-status", "14")]));
    assert_eq!(ear.said()[8..], [(5, "missed NotCaptured"), (5, "unknown")]);
    assert_eq!(ear.end().len(), 10);
}

#[test]
fn what_v1_gives_up_is_told() {
    let mut encoder = Encoder::default();
    let reset = |stream: u32, code: u32| frame(3, 0, stream, &code.to_be_bytes());
    let mut ear = Ear::new();
    ear.segment(&settings());
    ear.segment(&encoder.head(1, 0, &[GRPC]))
        .segment(&reset(1, 2));
    ear.segment(&encoder.head(3, 0, &[])).segment(&reset(3, 0));
    ear.segment(&reset(5, 7)).segment(&reset(7, 2));
    ear.segment(&frame(HEADERS, WHOLE, 9, &field("x", "y")));
    let wanted = [
        (1, "head 200 content-type: application/grpc;"),
        (1, "failed"),
        (1, "broken"),
        (3, "head 200 "),
        (3, "answer 200"),
        (3, "missed Rest"),
        (7, "failed"),
        (7, "broken"),
        (9, "missed NotCaptured"),
        (9, "unknown"),
    ];
    assert_eq!(ear.said(), wanted);
    let mut encoder = Encoder::default();
    let mut ear = Ear::new();
    ear.segment(&settings())
        .segment(&encoder.head(11, 0, &[GRPC]));
    let last = ear.end().split_off(1);
    let words: Vec<_> = last.iter().map(|(_, words)| &**words).collect();
    assert_eq!(words, ["missed NotCaptured", "unknown"]);
}

/// No memory, or more answers under way than are followed: the rest is as it was.
#[test]
fn what_v1_makes_long_stays_in_its_bounds() {
    for memory in [0, 1_000, 1 << 20] {
        let mut ear = Ear::with(Budget::new(memory));
        let mut encoder = Encoder::default();
        ear.segment(&settings());
        for number in 0..3_000_u32 {
            let value = number.to_string().repeat(100);
            let stream = 2 * (number % 500) + 1;
            ear.segment(&encoder.head(stream, 0, &[("x-long", &value)]));
            assert!(ear.shared.budget.used() <= memory);
        }
        // A block that never ends.
        for _ in 0..1_000 {
            ear.segment(&frame(HEADERS, 0, 1, &[0; 9_000]));
            ear.segment(&frame(CONTINUATION, 0, 1, &[0; 9_000]));
        }
        let kept = ear.end();
        let sizes = kept.iter().map(|(_, words)| words.len());
        assert!(sizes.max().unwrap() < 1_000);
    }
}
