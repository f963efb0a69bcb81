//! HTTP/2: header blocks as another decoder reads them; the same events however a connection is cut; each request ends
//! once, whatever is missing, and memory stays in its budget.

mod hpack;
mod told;

use mirror_core::{
    budget::Budget,
    http::{
        Input, Lost,
        h2::{Limits, PREFACE, Reader, Shared},
    },
};

use crate::input;
use told::{Said, Told};

/// Bytes that a connection may keep.
const MEMORY: usize = 1 << 20;

/// The first byte chooses what the others are: header blocks, frames, or frames with holes.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    match choice % 4 {
        0 => hpack::compare(rest),
        1 => cut(rest, Limits::default()),
        2 => cut(rest, narrow()),
        _ => operate(input::Input(rest)),
    }
}

/// Limits that short inputs reach.
fn narrow() -> Limits {
    Limits {
        list: 512,
        block: 256,
        continuations: 2,
        streams: 3,
        gain: 4,
    }
}

struct Connection {
    reader: Reader,
    shared: Shared,
    told: Told,
}

impl Connection {
    fn new(limits: Limits) -> Self {
        let shared = Shared::new(limits, Budget::new(MEMORY));
        Self {
            reader: Reader::new(&shared.budget),
            shared,
            told: Told::default(),
        }
    }

    fn data(&mut self, bytes: &[u8], starts_segment: bool) {
        let input = Input {
            bytes,
            starts_segment,
            ack: None,
        };
        let told = &mut self.told;
        let shared = &mut self.shared;
        self.reader
            .handle_data(input, shared, &mut |event| told.note(&event));
    }

    fn close(mut self) -> Vec<Said> {
        let told = &mut self.told;
        self.reader
            .handle_close(Lost::Truncated, &mut |event| told.note(&event));
        assert_eq!(self.shared.budget.used(), 0, "everything is given back");
        self.told.end()
    }
}

/// The preface and empty settings: without them nothing is read.
fn opening() -> Vec<u8> {
    [&PREFACE[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat()
}

/// Two bytes say how the frames behind the opening are cut.
fn cut(data: &[u8], limits: Limits) {
    let Some(([first, second], frames)) = data.split_first_chunk() else {
        return;
    };
    let stream = [&opening(), frames].concat();
    let whole = read(&stream, limits, |_| stream.len());
    let even = read(&stream, limits, |_| usize::from(*first));
    assert_eq!(whole, even, "cut every {first} bytes");
    let odd = read(&stream, limits, |n| {
        1 + (usize::from(*second) * (n + 1)) % 17
    });
    assert_eq!(whole, odd, "cut unevenly");
}

fn read(stream: &[u8], limits: Limits, mut piece: impl FnMut(usize) -> usize) -> Vec<Said> {
    let mut connection = Connection::new(limits);
    let (mut rest, mut pieces) = (stream, 0);
    while !rest.is_empty() {
        let (bytes, after) = rest.split_at(piece(pieces).clamp(1, rest.len()));
        connection.data(bytes, pieces == 0);
        (rest, pieces) = (after, pieces + 1);
    }
    connection.close()
}

/// Segments, holes and streams that v1 has closed, each with a length or a number.
fn operate(mut input: input::Input<'_>) {
    let mut connection = Connection::new(narrow());
    connection.data(&opening(), true);
    while let (Some(what), Some(len)) = (input.byte(), input.byte()) {
        match what % 8 {
            0 => {
                let told = &mut connection.told;
                let shared = &mut connection.shared;
                let gap = u64::from(len) * if what & 0x80 == 0 { 1 } else { 1 << 30 };
                connection
                    .reader
                    .handle_gap(gap, shared, &mut |event| told.note(&event));
            }
            1 => {
                let stream = u32::from(len);
                let open = connection.reader.forget(stream);
                assert_eq!(open, connection.told.forget(stream), "stream {stream}");
            }
            _ => connection.data(input.take(len.into()), what & 0x80 == 0),
        }
    }
    connection.close();
}
