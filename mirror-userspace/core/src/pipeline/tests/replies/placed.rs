//! Where each reply begins, and which requests have none.

use super::*;

#[test]
fn each_reply_is_found_where_the_client_says_that_it_begins() {
    let mut talk = talk();
    for reply in [
        OK,
        CHUNKED,
        "HTTP/1.1 304 Not Modified\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
    ] {
        talk.asks(GET).waits(3).v1_answers(reply);
    }
    // More of a body, which looks like a reply.
    talk.v1_answers(OK).asks(GET).v1_answers(OK);
    let latency = &talk.bench.counters().replies_of_v1.latency;
    assert_eq!(latency.count(), 6);
    assert_eq!(latency.longest(), Duration::from_millis(3));
    assert_eq!(counted(&mut talk), "0 3 1 1 1 0");
}

#[test]
fn only_the_first_bytes_of_a_segment_are_needed() {
    let mut talk = talk();
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\nbody", "x".repeat(2_000));
    talk.asks(GET).v1_answers_cut(&long, 512);
    talk.asks(GET).v1_answers_cut(OK, OK.len() - 5);
    talk.asks(GET).v1_answers_cut(CHUNKED, 13);
    assert_eq!(counted(&mut talk), "0 3 0 0 0 0");
}

#[test]
fn replies_behind_each_other_are_found_by_their_lengths() {
    let mut talk = talk();
    talk.asks(GET).asks_already(GET).asks_already(GET);
    talk.v1_answers(&[OK, OK, OK].concat());
    talk.asks(GET).asks_already(GET);
    talk.v1_answers(OK)
        .v1_answers("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    let head = GET.replace("GET", "HEAD");
    talk.asks(&head).asks_already(GET);
    talk.v1_answers("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n")
        .v1_answers(OK);
    assert_eq!(counted(&mut talk), "0 6 0 1 0 0");
}

#[test]
fn a_reply_in_chunks_ends_with_the_last_one() {
    let mut talk = talk();
    talk.asks(GET).asks_already(GET).asks_already(GET);
    talk.v1_answers(&[CHUNKED, OK].concat());
    talk.v1_answers("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(counted(&mut talk), "0 2 0 1 0 0");
    // However it is cut into segments.
    for at in 1..CHUNKED.len() {
        let mut talk = self::talk();
        talk.asks(GET).asks_already(GET);
        // A head that is cut says nothing of its body.
        let known = at >= CHUNKED.find("5\r").unwrap();
        talk.v1_answers(&CHUNKED[..at]).v1_answers(&CHUNKED[at..]);
        talk.v1_answers(OK);
        let told = if known {
            "0 2 0 0 0 0"
        } else {
            "0 1 0 0 0 1? 0"
        };
        let at_status = at < "HTTP/1.1 200".len();
        let told = if at_status { "0 0 0 0 0 2" } else { told };
        assert_eq!(counted(&mut talk), told, "cut at {at}");
    }
}

#[test]
fn of_a_chunk_not_every_byte_is_needed() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n";
    let (body, end) = ("x".repeat(0x800), "\r\n0\r\n\r\n");
    let mut talk = talk();
    talk.asks(GET).asks_already(GET);
    talk.v1_answers(head)
        .v1_answers_cut(&body[..1_000], 512)
        .v1_is_missed(1_000)
        .v1_answers_cut(&body[2_000..], 7)
        .v1_answers(end)
        .v1_answers(OK);
    assert_eq!(counted(&mut talk), "0 2 0 0 0 0");
    let mut talk = self::talk();
    talk.asks(GET).asks_already(GET);
    // The end of the chunk is cut off, with what stands behind it.
    talk.v1_answers(head)
        .v1_answers_cut(&[&body, end].concat(), 512)
        .v1_answers(OK);
    talk.asks(GET).v1_answers(OK);
    assert_eq!(counted(&mut talk), "0 2 0 0 0 1? 0");
}

#[test]
fn a_client_that_does_not_wait_for_the_end_of_a_reply_has_its_next_one_behind_it() {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3c\r\n";
    let looks_like_one = format!("{:<60}", "HTTP/1.1 500 Not a reply\r\n\r\n");
    for (head, end) in [(length, ""), (chunks, "\r\n0\r\n\r\n")] {
        let mut talk = talk();
        talk.asks(GET).v1_answers(head).asks(GET);
        talk.v1_answers(&looks_like_one).v1_answers(end);
        talk.v1_answers(OK);
        assert_eq!(counted(&mut talk), "0 2 0 0 0 0");
    }
    let mut talk = self::talk();
    let cut = "HTTP/1.1 200 OK\r\n";
    talk.asks(GET).v1_answers(cut).v1_answers("more of it");
    talk.asks_already(GET).v1_answers(OK);
    assert_eq!(counted(&mut talk), "0 1 0 0 0 1? 0");
}

#[test]
fn requests_that_v1_never_answered_are_counted_once_their_connection_has_ended() {
    let ends: [(u8, bool, &str); 5] = [
        (flag::FIN | flag::ACK, true, "0 1 0 0 0 1- 0"),
        (flag::RST | flag::ACK, true, "0 1 0 0 0 1- 0"),
        (flag::FIN | flag::ACK, false, "0 1 0 0 0 1- 0"),
        (flag::RST | flag::ACK, false, "0 1 0 0 0 1- 0"),
        // Nothing says that it has ended.
        (flag::ACK, true, "0 1 0 0 0 1"),
    ];
    for (flags, by_v1, told) in ends {
        let mut talk = talk();
        talk.asks(GET).v1_answers(OK).asks(GET).v1_answers("");
        if by_v1 {
            talk.v1_sends(flags, "", 0);
        } else {
            talk.client.ack = talk.v1;
            talk.bench.segment(&talk.client, flags, b"");
        }
        assert_eq!(talk.ends(), (told.into(), 2), "{flags} {by_v1}");
    }
    // What was answered, if only by its first byte, or was not captured, is not among them.
    for (reply, missed) in [("HTT", 0), ("", 5)] {
        let mut talk = talk();
        talk.asks(GET).v1_answers(reply).v1_is_missed(missed);
        talk.v1_sends(flag::FIN | flag::ACK, "", 0);
        assert_eq!(counted(&mut talk), "0 0 0 0 0 1", "{reply} {missed}");
    }
    let mut unheard = talk();
    unheard.asks(GET);
    unheard.client.ack = unheard.v1;
    let (client, end) = (&unheard.client, flag::FIN | flag::ACK);
    unheard.bench.segment(client, end, b"");
    assert_eq!(counted(&mut unheard), "0 0 0 0 0 1", "v1 was not heard");
}

#[test]
fn a_reply_that_is_missed_is_unseen_and_the_next_one_is_found() {
    let mut talk = talk();
    talk.asks(GET).v1_is_missed(200).v1_answers("more of it");
    talk.asks(GET).v1_answers(OK);
    talk.asks(GET).v1_is_missed(10).v1_answers(OK);
    talk.asks(GET).v1_answers("what is this?\r\n");
    talk.asks(GET).v1_answers(OK);
    assert_eq!(counted(&mut talk), "0 2 0 0 0 3");
}

#[test]
fn a_reply_that_is_sent_again_counts_once() {
    let mut talk = talk();
    talk.asks(GET);
    let before = talk.v1;
    talk.v1_answers(OK);
    talk.v1 = before;
    talk.v1_answers(OK).asks(GET).v1_answers(OK);
    assert_eq!(counted(&mut talk), "0 2 0 0 0 0");
}

#[test]
fn a_request_that_was_lost_puts_no_other_ones_reply_in_its_place() {
    let mut talk = talk();
    talk.asks(GET).v1_answers(OK);
    talk.client.ack = talk.v1;
    talk.bench.lose(&mut talk.client, GET.len());
    talk.asks_already(GET);
    talk.v1_answers("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
        .v1_answers(OK);
    talk.waits(1_000);
    talk.asks(GET).v1_answers(OK);
    let (counted, _) = talk.ends();
    assert_eq!(counted, "0 2 0 0 0 1");
}

#[test]
fn pipelined_requests_without_end_are_no_memory_without_end() {
    let mut talk = talk();
    talk.asks(GET);
    for _ in 0..100 {
        talk.asks_already(GET);
    }
    let (counted, _) = talk.ends();
    assert_eq!(counted, "0 0 0 0 0 101");
}
