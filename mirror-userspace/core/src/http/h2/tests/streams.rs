//! Frames, header blocks and streams: what belongs together, and what ends the connection.

use super::{
    super::{Loss, Refusal},
    feed::{Feed, Said, said},
    wire::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PRIORITY, RESET,
        SETTINGS, WHOLE, WINDOW, block, connection, frame, get, opening, post,
    },
};

const GET: &str = ":method=GET;:scheme=http;:path=/;:authority=a;";

fn told(stream: u32) -> [Said; 2] {
    [Said::Head(stream, GET.into()), Said::End(stream)]
}

fn whole(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &get(&[]))
}

/// What ends the connection when these frames come behind a request that is open.
fn refused(frames: &[Vec<u8>]) -> Option<Refusal> {
    let open = frame(HEADERS, END_HEADERS, 1, &post(&[]));
    let mut stream = vec![open];
    stream.extend_from_slice(frames);
    match &said(&connection(&stream))[1..] {
        [.., Said::ConnectionLost(why)] => Some(*why),
        _ => None,
    }
}

#[test]
fn requests_interleave() {
    let stream = connection(&[
        frame(HEADERS, END_HEADERS, 1, &post(&[])),
        frame(HEADERS, END_HEADERS, 3, &post(&[])),
        frame(DATA, 0, 3, b"three"),
        frame(WINDOW, 0, 0, &[0, 0, 1, 0]),
        frame(DATA, 0, 1, b"on"),
        frame(PING, 0, 0, &[0; 8]),
        frame(DATA, END_STREAM, 3, b""),
        whole(5),
        frame(DATA, END_STREAM | 8, 1, b"\x02e--"),
        frame(GOAWAY, 0, 0, &[0; 12]),
        frame(200, 0xff, 7, b"an extension's"),
    ]);
    let post = GET.replace("GET", "POST");
    let expected = [
        Said::Head(1, post.clone()),
        Said::Head(3, post),
        Said::Body(3, b"three".to_vec()),
        Said::Body(1, b"on".to_vec()),
        Said::End(3),
        Said::Head(5, GET.into()),
        Said::End(5),
        Said::Body(1, b"e".to_vec()),
        Said::End(1),
    ];
    assert_eq!(said(&stream), expected);
}

#[test]
fn a_block_may_come_in_pieces_with_padding_and_priority() {
    let block = get(&[]);
    for cut in 0..=block.len() {
        let (one, two) = block.split_at(cut);
        let first = [&b"\x03PRIOR"[..], one, b"pad"].concat();
        let stream = connection(&[
            frame(HEADERS, END_STREAM | 0x28, 1, &first),
            frame(CONTINUATION, 0, 1, b""),
            frame(CONTINUATION, END_HEADERS, 1, two),
        ]);
        assert_eq!(said(&stream), told(1), "{cut}");
    }
}

#[test]
fn the_preface_has_to_be_whole_and_settings_follow() {
    let lost = [Said::ConnectionLost(Refusal::Framing)];
    let mut stream = opening();
    stream[20] ^= 1;
    assert_eq!(said(&stream), lost);
    let preface = &opening()[..24];
    for first in [
        whole(1),
        frame(PING, 0, 0, &[0; 8]),
        frame(SETTINGS, 1, 0, &[]),
    ] {
        assert_eq!(said(&[preface, &first].concat()), lost);
    }
    assert_eq!(said(preface), []);
}

#[test]
fn what_ends_the_connection_at_v1_ends_its_mirroring() {
    let start = || frame(HEADERS, 0, 3, &get(&[]));
    let no_push = || frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 0]);
    let setting = |id: u8, value: u32| {
        let value = value.to_be_bytes();
        vec![frame(SETTINGS, 0, 0, &[&[0, id][..], &value].concat())]
    };
    for frames in [
        // Something between the frames of a header block.
        vec![start(), frame(DATA, 0, 1, b"x")],
        vec![start(), frame(200, 0, 0, b"")],
        vec![start(), frame(CONTINUATION, END_HEADERS, 1, b"")],
        vec![frame(CONTINUATION, END_HEADERS, 1, b"")],
        // Streams that are idle, closed, or none of the client's.
        vec![frame(DATA, 0, 3, b"x")],
        vec![frame(RESET, 0, 3, &[0; 4])],
        vec![frame(WINDOW, 0, 3, &[0, 0, 0, 1])],
        vec![frame(HEADERS, WHOLE, 2, &get(&[]))],
        // Contents that can't be.
        vec![frame(WINDOW, 0, 0, &[0; 4])],
        vec![no_push(), frame(RESET, 0, 2, &[0; 4])],
        vec![no_push(), frame(WINDOW, 0, 2, &[0, 0, 0, 1])],
        vec![frame(DATA, 8, 1, b"\x02x")],
        vec![frame(PING, 0, 0, b"short")],
        setting(2, 2),
        setting(4, 1 << 31),
        setting(5, 16_383),
        setting(5, 1 << 24),
    ] {
        assert_eq!(refused(&frames), Some(Refusal::Framing), "{frames:?}");
    }
    let compression = vec![frame(HEADERS, WHOLE, 3, &[0xbe])];
    assert_eq!(refused(&compression), Some(Refusal::Compression));
    let ours = vec![frame(HEADERS, WHOLE, 3, &[0x3f, 0xe2, 0xff, 0x03])];
    assert_eq!(refused(&ours), Some(Refusal::TableSize));
    for frames in [
        setting(2, 0),
        setting(4, (1 << 31) - 1),
        setting(5, 1 << 14),
        setting(99, u32::MAX),
        vec![frame(PRIORITY, 0, 99, &[0; 5])],
        vec![frame(RESET, 0, 2, &[0; 4])],
        vec![frame(WINDOW, 0, 0, &[0x80, 0, 0, 1])],
    ] {
        assert_eq!(refused(&frames), None, "{frames:?}");
    }
}

#[test]
fn open_requests_are_lost_with_their_connection() {
    let stream = connection(&[
        frame(HEADERS, END_HEADERS, 1, &post(&[])),
        frame(HEADERS, END_HEADERS, 3, &block(&[("malformed", "")])),
        frame(HEADERS, END_HEADERS, 5, &post(&[])),
        frame(HEADERS, 0, 7, &get(&[])),
        frame(PING, 0, 0, &[0; 8]),
        whole(9),
    ]);
    let lost = |stream| Said::Lost(stream, Loss::Connection(Refusal::Framing));
    let end = Said::ConnectionLost(Refusal::Framing);
    assert_eq!(said(&stream)[3..], [lost(1), lost(5), lost(7), end]);
}

#[test]
fn requests_that_the_end_of_the_connection_cuts_are_lost() {
    let stream = connection(&[
        frame(HEADERS, END_HEADERS, 1, &post(&[])),
        frame(HEADERS, 0, 3, &get(&[])),
    ]);
    let cut = Loss::Closed(crate::http::Lost::Truncated);
    assert_eq!(said(&stream)[1..], [Said::Lost(1, cut), Said::Lost(3, cut)]);
}

/// Servers differ in what these cost: no request behind them is told, but each is counted.
#[test]
fn what_servers_differ_in_ends_the_connections_mirroring() {
    let cancel = || frame(RESET, 0, 3, &[0, 0, 0, 8]);
    for fault in [
        vec![frame(WINDOW, 0, 1, &[0; 4])],
        vec![frame(PRIORITY, 0, 1, &[0; 4])],
        vec![frame(PRIORITY, 0, 99, &[0; 6])],
        vec![whole(3), whole(3)],
        vec![whole(5), whole(3)],
        vec![whole(3), frame(DATA, 0, 3, b"more")],
        vec![whole(3), cancel(), whole(3)],
        vec![whole(3), cancel(), frame(DATA, END_STREAM, 3, b"")],
    ] {
        let open = frame(HEADERS, END_HEADERS, 1, &post(&[]));
        let rest = [frame(PING, 0, 0, &[0; 8]), whole(7), whole(9)];
        let said = said(&connection(&[&[open], &fault[..], &rest].concat()));
        let lost = |stream| Said::Lost(stream, Loss::Connection(Refusal::Ambiguous));
        let end = Said::ConnectionLost(Refusal::Ambiguous);
        let expected = [lost(1), end, lost(7), lost(9)];
        assert!(said.ends_with(&expected), "{fault:?}: {said:?}");
    }
}

/// Some servers serve it, some take no notice of it.
#[test]
fn a_stream_that_is_opened_after_goaway_is_counted() {
    let stream = connection(&[
        frame(HEADERS, END_HEADERS, 1, &post(&[])),
        frame(GOAWAY, 0, 0, &[0; 8]),
        frame(DATA, 0, 1, b"still told"),
        whole(3),
        whole(5),
    ]);
    let lost = |stream| Said::Lost(stream, Loss::Connection(Refusal::Ambiguous));
    let body = Said::Body(1, b"still told".to_vec());
    let end = Said::ConnectionLost(Refusal::Ambiguous);
    assert_eq!(said(&stream)[1..], [body, lost(1), lost(3), end, lost(5)]);
}

#[test]
fn a_request_whose_padding_ends_the_connection_is_counted() {
    let stream = connection(&[frame(HEADERS, WHOLE | 0x28, 1, b"\0PRIO")]);
    let lost = Said::Lost(1, Loss::Connection(Refusal::Framing));
    let end = Said::ConnectionLost(Refusal::Framing);
    assert_eq!(said(&stream), [lost, end]);
}

#[test]
fn a_reader_is_small() {
    use super::super::{Reader, following::Following};
    assert!(size_of::<Reader>() <= 64, "{}", size_of::<Reader>());
    assert!(size_of::<Following>() <= 320, "{}", size_of::<Following>());
}

#[test]
fn the_client_may_give_a_request_up() {
    let cancel = |stream| frame(RESET, 0, stream, &[0, 0, 0, 8]);
    let stream = connection(&[
        frame(HEADERS, END_HEADERS, 1, &post(&[])),
        cancel(1),
        whole(3),
        cancel(3),
        frame(HEADERS, END_HEADERS, 5, &block(&[("malformed", "")])),
        cancel(5),
    ]);
    let [head, end] = told(3);
    let expected = [
        Said::Reset(1, 8),
        head,
        end,
        Said::Reset(3, 8),
        Said::Lost(5, Loss::Malformed),
    ];
    assert_eq!(said(&stream)[1..], expected);
    assert_eq!(
        refused(&[cancel(1), frame(HEADERS, WHOLE, 1, &get(&[]))]),
        Some(Refusal::Ambiguous)
    );
}

#[test]
fn what_v1_has_closed_is_forgotten() {
    let mut feed = Feed::new();
    let open = frame(HEADERS, END_HEADERS, 1, &post(&[]));
    feed.data(&connection(&[open]), true);
    feed.take();
    assert!(feed.reader.forget(1));
    assert!(!feed.reader.forget(1));
    // What the client sent before it knew is of the stream still.
    let late = [
        frame(DATA, 0, 1, b"late"),
        frame(HEADERS, WHOLE, 1, &block(&[("t", "1")])),
        whole(3),
    ];
    feed.data(&late.concat(), true);
    assert_eq!(feed.take(), told(3));
    feed.close();
    assert_eq!(feed.take(), []);
}

#[test]
fn an_upgraded_connection_begins_behind_its_request() {
    let mut feed = Feed::new();
    feed.reader = super::super::Reader::upgraded(&feed.shared.budget);
    let stream = connection(&[frame(RESET, 0, 1, &[0, 0, 0, 8]), whole(3)]);
    feed.data(&stream, true);
    let [head, end] = told(3);
    assert_eq!(feed.take(), [Said::Reset(1, 8), head, end]);
    feed.data(&frame(DATA, END_STREAM, 1, b"x"), true);
    assert_eq!(feed.take(), [Said::ConnectionLost(Refusal::Ambiguous)]);
}
