//! Bytes that are missing, and connections picked up in the middle.

use mirror_core::http::{Input, Lost, Protocol};

use crate::feed::{Connection, lost, protocols, short};

const GET: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
const LENGTH: &str = "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n";
const CHUNKED: &str = "POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A client's segments with the acknowledgement number of each: it waits for each reply.
fn conversation() -> Vec<(&'static str, u32)> {
    vec![
        ("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", 100),
        ("POST /2 HTTP/1.1\r\nHost: a\r\nContent-Le", 200),
        ("ngth: 8\r\n\r\nab", 200),
        ("cdef", 200),
        ("gh", 200),
        (
            "GET /3 HTTP/1.1\r\nHost: a\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n",
            300,
        ),
        (
            "POST /5 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        ("6\r\nabcdef\r\n", 400),
        ("0\r\n\r\n", 400),
        ("BREW /6 HTTP/1.1\r\nHost: a\r\n\r\n", 500),
        ("PUT /7 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 600),
    ]
}

/// The requests that begin or go on in each segment.
const TOUCHED: [&[&str]; 11] = [
    &["/1"],
    &["/2"],
    &["/2"],
    &["/2"],
    &["/2"],
    &["/3", "/4"],
    &["/5"],
    &["/5"],
    &["/5"],
    &["/6"],
    &["/7"],
];

#[test]
fn the_loss_of_any_segment_costs_only_the_requests_in_it() {
    let conversation = conversation();
    for (missing, touched) in TOUCHED.iter().enumerate() {
        let mut connection = Connection::from_start();
        for (index, (bytes, ack)) in conversation.iter().enumerate() {
            if index == missing {
                connection.gap(bytes.len() as u64);
            } else {
                connection.segment(bytes, *ack);
            }
        }
        let said = connection.acknowledge(700).close();
        let found: Vec<_> = short(&said)
            .iter()
            .map(|request| request.split(' ').nth(1).unwrap().to_owned())
            .collect();
        let expected: Vec<_> = (1..=7)
            .map(|number| format!("/{number}"))
            .filter(|target| !touched.contains(&&**target))
            .collect();
        assert_eq!(found, expected, "segment {missing} lost");
        assert_eq!(lost(&said), [Lost::Gap], "segment {missing} lost");
        assert_eq!(protocols(&said), [Protocol::Http1]);
    }
}

#[test]
fn a_gap_in_a_body_of_known_length_ends_exactly_at_the_next_request() {
    for gap in [1, 6, 7] {
        let mut connection = Connection::from_start();
        connection.segment(format!("{LENGTH}012"), 1);
        connection.gap(gap as u64);
        let rest = format!("{}{GET}", &"3456789"[gap..]);
        // Not at a segment's start, no new acknowledgement: the place is known.
        connection.input(Input {
            bytes: rest.as_bytes(),
            starts_segment: false,
            ack: Some(1),
        });
        let said = connection.close();
        assert_eq!(short(&said), ["GET /next"], "gap of {gap}");
        assert_eq!(lost(&said), [Lost::Gap]);
    }
}

#[test]
fn several_gaps_in_one_body_lose_one_request() {
    let mut connection = Connection::from_start();
    connection.segment(LENGTH, 1).gap(2).segment("23", 1).gap(2);
    connection.segment(format!("6789{GET}"), 1);
    let said = connection.close();
    assert_eq!(
        (short(&said), lost(&said)),
        (vec!["GET /next".into()], vec![Lost::Gap])
    );
}

#[test]
fn bytes_of_a_lost_body_are_never_a_request() {
    let evil = "GET /evil HTTP/1.1\r\n\r\n";
    // In a body of known length, whatever the acknowledgements say.
    let mut connection = Connection::from_start();
    connection.segment(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n",
        1,
    );
    connection.gap(8).segment(evil, 500).segment(GET, 600);
    assert_eq!(short(&connection.close()), ["GET /next"]);
    // In a chunked body, as long as the server is silent.
    let mut connection = Connection::from_start();
    connection.segment(CHUNKED, 1).gap(8).segment(evil, 1);
    connection.segment(evil, 1).gap(3).segment(evil, 1);
    connection.segment("\r\n0\r\n\r\n", 1).segment(GET, 90);
    let said = connection.close();
    assert_eq!(short(&said), ["GET /next"]);
    assert_eq!(lost(&said), [Lost::Gap]);
    // A reply to the body's beginning (100 Continue) does not count for its later segments.
    let mut connection = Connection::from_start();
    connection.segment(CHUNKED, 1).segment("5\r\n", 26).gap(9);
    connection
        .segment(evil, 26)
        .segment(evil, 26)
        .segment(GET, 90);
    assert_eq!(short(&connection.close()), ["GET /next"]);
    // Behind a gap that began in a head, once an input was no request.
    let mut connection = Connection::from_start();
    connection.segment("POST / HTTP/1.1\r\n", 1).gap(60);
    connection
        .segment("inside a body", 1)
        .segment(evil, 1)
        .segment(GET, 90);
    assert_eq!(short(&connection.close()), ["GET /next"]);
}

#[test]
fn acknowledgements_wrap() {
    let mut connection = Connection::from_start();
    connection.segment(CHUNKED, u32::MAX - 5).gap(8);
    connection.segment(GET, u32::MAX - 9).segment(GET, 20);
    assert_eq!(short(&connection.close()), ["GET /next"]);
}

#[test]
fn a_gap_beyond_a_body_waits_for_a_segment_that_begins_a_request() {
    let mut connection = Connection::from_start();
    connection.segment(format!("{LENGTH}01"), 1).gap(9);
    connection.input(Input {
        bytes: GET.as_bytes(),
        starts_segment: false,
        ack: Some(50),
    });
    assert_eq!(lost(&connection.said()), [Lost::Gap]);
    connection.segment("HTTP/1.1\r\n\r\n", 60).segment(GET, 90);
    let said = connection.close();
    assert_eq!(
        (short(&said), lost(&said)),
        (vec!["GET /next".into()], vec![])
    );
}

#[test]
fn after_an_upgrade_or_a_close_a_gap_finds_no_requests() {
    for (head, protocol) in [
        ("CONNECT a:1 HTTP/1.1\r\n\r\n", Protocol::Upgraded),
        (
            "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            Protocol::Upgraded,
        ),
        (
            "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 3\r\n\r\n",
            Protocol::Http1,
        ),
    ] {
        let mut connection = Connection::from_start();
        connection.segment(head, 1).gap(5).segment(GET, 90);
        let said = connection.close();
        assert!(!short(&said).contains(&"GET /next".to_owned()), "{head:?}");
        assert_eq!(protocols(&said).last(), Some(&protocol));
    }
}

#[test]
fn a_connection_picked_up_midway_begins_with_its_next_request() {
    let mut connection = Connection::midway();
    connection
        .segment("lf of a body", 1)
        .segment("GET /too-early", 1);
    connection
        .segment("GET /a HTTP/1.1\r\n", 90)
        .segment("\r\n", 90);
    assert_eq!(protocols(&connection.said()), [Protocol::Http1]);
    let mut connection = Connection::midway();
    for byte in GET.as_bytes().chunks(1) {
        connection.segment(byte, 1);
    }
    let said = connection.acknowledge(2).close();
    assert_eq!(
        (short(&said), lost(&said)),
        (vec!["GET /next".into()], vec![])
    );
    assert_eq!(protocols(&said), [Protocol::Http1]);
}

/// RFC 9293 section 3.8.4: a keep-alive probe may carry a byte that was never sent.
#[test]
fn a_probe_with_a_byte_before_the_first_request_hides_none() {
    for byte in ["\0", "a", "G", "\r", "\n"] {
        let mut connection = Connection::midway();
        connection.segment(byte, 1).segment(GET, 1).segment(GET, 90);
        let said = connection.acknowledge(180).close();
        assert_eq!(short(&said), ["GET /next", "GET /next"], "{byte:?}");
        assert_eq!(lost(&said), [], "{byte:?}");
    }
}

#[test]
fn what_only_seemed_to_begin_a_request_makes_room_for_one_that_does() {
    for tail in [
        "G",
        "PUT",
        "GET ",
        "POST /x",
        "GET / HTTP/1.1\r\nHost: a\r\n",
    ] {
        let mut connection = Connection::midway();
        connection.segment(tail, 1).segment(GET, 90);
        let said = connection.close();
        assert_eq!(short(&said), ["GET /next"], "{tail:?}");
        assert_eq!(lost(&said), []);
    }
    // An unknown method must come with its whole line: a tail could be glued to what follows.
    let mut connection = Connection::midway();
    connection.segment("abc", 1).segment(GET, 90);
    assert_eq!(short(&connection.close()), ["GET /next"]);
    let mut connection = Connection::midway();
    connection
        .segment("abcGET /x HT", 1)
        .segment("TP/1.1\r\n\r\n", 90);
    assert_eq!(short(&connection.close()), Vec::<String>::new());
}

#[test]
fn a_connection_that_never_comes_into_step_is_undecided() {
    let mut connection = Connection::midway();
    connection
        .segment("GET / HTTP/1.1\r\nBad\r\n\r\n", 1)
        .gap(5);
    connection.segment("GET /half HTTP/1.1\r\n", 50);
    let said = connection.close();
    assert_eq!(protocols(&said), [Protocol::Undecided]);
    assert_eq!(lost(&said), [], "nothing is known to have been a request");
}

#[test]
fn the_loss_of_the_first_bytes_is_told_once_they_are_known_to_be_requests() {
    let mut connection = Connection::from_start();
    connection.gap(30).gap(4);
    assert_eq!(connection.said(), []);
    connection.segment(GET, 90);
    let said = connection.acknowledge(180).close();
    assert_eq!(protocols(&said), [Protocol::Http1]);
    assert_eq!(
        (short(&said), lost(&said)),
        (vec!["GET /next".into()], vec![Lost::Gap])
    );
    let mut unproven = Connection::from_start();
    unproven.gap(30).segment(GET, 90);
    let said = unproven.acknowledge(90).close();
    assert_eq!(short(&said), Vec::<String>::new());
    assert_eq!(
        lost(&said),
        [Lost::Gap, Lost::Truncated],
        "it may be a part of what was lost, and is counted"
    );
    let mut other = Connection::from_start();
    other.gap(30).segment(b"\x17\x03\x03\0\x05", 90);
    let said = other.close();
    assert_eq!(protocols(&said), [Protocol::Undecided]);
    assert_eq!(lost(&said), [], "a TLS record is no part of a request");
    let mut alone = Connection::from_start();
    alone.gap(1400).segment([b'x'; 1600], 1);
    let said = alone.close();
    assert_eq!(protocols(&said), [Protocol::Undecided]);
    assert_eq!(
        lost(&said),
        [Lost::Gap],
        "its head is lost, and it is counted"
    );
}

#[test]
fn a_gap_within_a_chunk_loses_its_request_alone() {
    let mut connection = Connection::from_start();
    connection.segment(format!("{CHUNKED}a\r\n01"), 1).gap(3);
    // The rest of the chunk, the last chunk, and the next request: no new acknowledgement, all in one.
    connection.input(Input {
        bytes: format!("56789\r\n0\r\n\r\n{GET}").as_bytes(),
        starts_segment: false,
        ack: Some(1),
    });
    let said = connection.close();
    assert_eq!(
        (short(&said), lost(&said)),
        (vec!["GET /next".into()], vec![Lost::Gap])
    );
}

#[test]
fn a_connection_that_was_left_stays_left() {
    let mut connection = Connection::from_start();
    connection.segment(format!("{CHUNKED}x\r\n"), 1).gap(3);
    connection.segment(GET, 90).segment(GET, 180);
    let said = connection.close();
    assert_eq!((short(&said), lost(&said)), (vec![], vec![Lost::Malformed]));
}
