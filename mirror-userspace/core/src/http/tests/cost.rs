use super::work;
use crate::{
    budget::Budget,
    http::{HttpEvent, Input, Limits, Lost, Parser},
};

/// Feeds a stream in pieces of `step` bytes. Returns the bytes looked at, the most memory that
/// was reserved, and what was lost.
fn cost(from_start: bool, stream: &[u8], step: usize) -> (usize, usize, Vec<Lost>) {
    let budget = Budget::new(1 << 20);
    let mut parser = Parser::default();
    parser.handle_open(from_start);
    let mut lost = Vec::new();
    let mut emit = |event: HttpEvent<'_>| {
        if let HttpEvent::Lost(why) = event {
            lost.push(why);
        }
    };
    let work = work::of(|| {
        for bytes in stream.chunks(step) {
            let input = Input {
                bytes,
                starts_segment: true,
                ack: Some(1),
            };
            parser.handle_data(input, &Limits::default(), &budget, &mut emit);
        }
    });
    drop(parser);
    assert_eq!(budget.used(), 0, "everything is given back");
    (work, budget.peak(), lost)
}

fn head_of(len: usize) -> Vec<u8> {
    let mut head = b"GET / HTTP/1.1\r\nCookie: ".to_vec();
    head.resize(len - 4, b'c');
    head.extend_from_slice(b"\r\n\r\n");
    head
}

#[test]
fn a_parser_is_small() {
    assert!(size_of::<Parser>() <= 64, "{}", size_of::<Parser>());
}

#[test]
fn a_head_of_64_kib_in_one_byte_segments_is_linear_work() {
    let head = head_of(64 * 1024);
    let (work, peak, lost) = cost(true, &head, 1);
    assert_eq!(lost, []);
    // Scanned once, copied at most twice by doubling, parsed once.
    assert!(work <= 4 * head.len(), "{work}");
    assert!(peak <= 66 * 1024, "{peak}");
}

#[test]
fn a_head_in_one_piece_costs_no_memory() {
    let (work, peak, lost) = cost(true, &head_of(4096), 4096);
    assert_eq!((peak, lost), (0, vec![]));
    assert!(work <= 2 * 4096 + 64, "{work}");
}

#[test]
fn a_head_one_byte_too_long_is_too_large() {
    assert_eq!(cost(true, &head_of(65_537), 65_537).2, [Lost::TooLarge]);
    assert_eq!(cost(true, &head_of(65_537), 1).2, [Lost::TooLarge]);
}

#[test]
fn endless_field_lines_are_refused_at_the_limit() {
    let mut head = b"GET / HTTP/1.1\r\n".to_vec();
    for _ in 0..20_000 {
        head.extend_from_slice(b"a: b\r\n");
    }
    for step in [1, 7, head.len()] {
        let (work, peak, lost) = cost(true, &head, step);
        assert_eq!(lost, [Lost::TooLarge]);
        assert!(work <= 3 * head.len() + 2048, "{work}");
        assert!(peak <= 66 * 1024, "{peak}");
    }
}

#[test]
fn endless_chunk_extensions_are_refused_at_the_limit() {
    let mut stream = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;".to_vec();
    stream.resize(1 << 20, b'e');
    let (work, peak, lost) = cost(true, &stream, 1);
    assert_eq!(lost, [Lost::TooLarge]);
    assert!(work <= 8 * 1024 && peak <= 1024, "{work} {peak}");
}

#[test]
fn many_small_chunks_are_linear_work() {
    let mut stream = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..50_000 {
        stream.extend_from_slice(b"1;e\r\nx\r\n");
    }
    let (work, peak, _) = cost(true, &stream, 1);
    assert!(work <= 2 * stream.len() && peak <= 1024, "{work} {peak}");
}

#[test]
fn out_of_step_each_input_is_looked_at_twice_at_most() {
    // Each segment seems to begin a request; none does.
    let stream = b"GET /".repeat(20_000);
    let (work, _, lost) = cost(false, &stream, 5);
    assert_eq!(lost, []);
    assert!(work <= 4 * stream.len() + 66 * 20_000, "{work}");
    // One that seems to go on for ever, in one-byte segments.
    let mut stream = b"GET / HTTP/1.1\r\na: ".to_vec();
    stream.resize(256 * 1024, b'G');
    let (work, peak, _) = cost(false, &stream, 1);
    assert!(work <= 6 * stream.len(), "{work}");
    assert!(peak <= 66 * 1024, "{peak}");
}

#[test]
fn a_refused_budget_leaves_the_connection() {
    let budget = Budget::new(600);
    let mut parser = Parser::default();
    let mut said = Vec::new();
    for bytes in head_of(2048).chunks(100) {
        let input = Input {
            bytes,
            starts_segment: true,
            ack: None,
        };
        parser.handle_data(input, &Limits::default(), &budget, &mut |event| {
            said.push(format!("{event:?}"));
        });
    }
    assert_eq!(said, ["Protocol(Http1)", "Lost(Evicted)"]);
    assert_eq!(budget.used(), 0, "and gives back what it held");
}
