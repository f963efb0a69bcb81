use zerocopy::IntoBytes as _;

use super::*;

fn header() -> SegmentHeader {
    let mut source = [0; 16];
    source[10..].copy_from_slice(&[0xff, 0xff, 10, 0, 0, 1]);
    SegmentHeader {
        timestamp: 77,
        source,
        destination: [0xfd; 16],
        source_port: 4242,
        destination_port: 80,
        sequence: 1_000,
        acknowledgment: 9,
        segment_len: 5,
        captured: 5,
        attachment: 3,
        flags: flag::ACK | flag::PSH,
        ..Default::default()
    }
}

fn bytes(header: SegmentHeader, payload: &[u8]) -> Vec<u8> {
    [header.as_bytes(), payload].concat()
}

#[test]
fn a_whole_segment_is_taken_over() {
    let bytes = bytes(header(), b"GET /and what the size class left over");
    let Record {
        segment,
        ends_segment,
    } = read_record(&bytes).unwrap();
    assert_eq!(segment.payload, b"GET /");
    assert_eq!(segment.wire_len, 5);
    assert_eq!(segment.at, Time::from_nanos(77));
    assert_eq!(segment.seq, SeqNum(1_000));
    assert_eq!(segment.ack, Some(SeqNum(9)));
    assert_eq!(segment.flow.client.to_string(), "10.0.0.1:4242");
    assert_eq!(segment.flow.server.port, 80);
    assert_eq!(segment.flow.attachment, 3);
    assert!(segment.starts_segment && ends_segment);
    assert_eq!(segment.urgent, None);
}

#[test]
fn records_at_any_alignment_are_read() {
    let record = bytes(header(), b"GET /");
    for shift in 0..8 {
        let mut shifted = vec![0; shift];
        shifted.extend_from_slice(&record);
        assert_eq!(
            read_record(&shifted[shift..]).unwrap().segment.payload,
            b"GET /"
        );
    }
}

#[test]
fn without_ack_the_acknowledgment_number_means_nothing() {
    let bytes = bytes(
        SegmentHeader {
            flags: flag::PSH,
            ..header()
        },
        b"GET /",
    );
    assert_eq!(read_record(&bytes).unwrap().segment.ack, None);
}

/// A SYN with 7 bytes (TCP Fast Open), a FIN and an urgent pointer, in records of 3, 3 and 1.
#[test]
fn the_records_of_one_skb_share_its_flags_out() {
    let whole = SegmentHeader {
        flags: flag::SYN | flag::FIN | flag::URG | flag::ACK,
        sequence: u32::MAX,
        segment_len: 7,
        // The byte before sequence + 6: the fifth of the payload, as the SYN is number 0.
        urgent: 6,
        ..header()
    };
    let part = |offset, captured| {
        bytes(
            SegmentHeader {
                offset,
                captured,
                ..whole
            },
            &b"abcdefg"[offset as usize..],
        )
    };
    let (first, second, third) = (part(0, 3), part(3, 3), part(6, 1));
    let records = [&first, &second, &third].map(|bytes| read_record(bytes).unwrap());

    let payloads = records.each_ref().map(|record| record.segment.payload);
    assert_eq!(payloads, [&b"abc"[..], b"def", b"g"]);
    let starts = records
        .each_ref()
        .map(|record| record.segment.payload_seq().0);
    assert_eq!(
        starts,
        [0, 3, 6],
        "the SYN is number -1, and the payload follows it"
    );
    assert_eq!(records[0].segment.seq, SeqNum(u32::MAX));
    let flags = records.each_ref().map(|record| record.segment.flags.0);
    assert_eq!(
        flags,
        [
            flag::SYN | flag::URG | flag::ACK,
            flag::URG | flag::ACK,
            flag::FIN | flag::ACK
        ]
    );
    assert_eq!(
        records
            .each_ref()
            .map(|record| record.segment.starts_segment),
        [true, false, false]
    );
    assert_eq!(
        records.each_ref().map(|record| record.ends_segment),
        [false, false, true]
    );

    let urgent = records.each_ref().map(|record| {
        let segment = &record.segment;
        segment
            .urgent
            .map(|pointer| segment.seq + u32::from(pointer))
    });
    let behind = Some(SeqNum(5));
    assert_eq!(
        urgent,
        [behind, behind, None],
        "the same byte, whoever tells it"
    );
}

#[test]
fn a_reset_stays_with_the_last_record() {
    let reset = SegmentHeader {
        flags: flag::RST,
        segment_len: 6,
        captured: 3,
        ..header()
    };
    let first = bytes(reset, b"abc");
    let last = bytes(SegmentHeader { offset: 3, ..reset }, b"def");
    assert!(!read_record(&first).unwrap().segment.flags.rst());
    assert!(read_record(&last).unwrap().segment.flags.rst());
}

#[test]
fn a_bare_syn_is_whole() {
    let syn = SegmentHeader {
        flags: flag::SYN,
        segment_len: 0,
        captured: 0,
        ..header()
    };
    let bytes = bytes(syn, b"");
    let record = read_record(&bytes).unwrap();
    assert!(record.segment.flags.syn() && record.segment.starts_segment && record.ends_segment);
    assert!(record.segment.payload.is_empty());
}

#[test]
fn what_contradicts_itself_is_refused() {
    let refused = |header: SegmentHeader, payload: &[u8]| {
        assert!(read_record(&bytes(header, payload)).is_none(), "{header:?}");
    };
    refused(header(), b"GET ");
    refused(
        SegmentHeader {
            captured: u32::MAX,
            segment_len: u32::MAX,
            ..header()
        },
        b"GET /",
    );
    refused(
        SegmentHeader {
            segment_len: 4,
            ..header()
        },
        b"GET /",
    );
    refused(
        SegmentHeader {
            offset: 1,
            ..header()
        },
        b"GET /",
    );
    refused(
        SegmentHeader {
            offset: u32::MAX,
            ..header()
        },
        b"GET /",
    );
    refused(
        SegmentHeader {
            segment_len: u32::MAX,
            ..header()
        },
        b"GET /",
    );
    let short = bytes(header(), b"");
    for len in 0..size_of::<SegmentHeader>() {
        assert!(read_record(&short[..len]).is_none());
    }
}

#[test]
fn a_reply_is_of_the_same_connection_and_may_be_cut() {
    let request = bytes(header(), b"GET /");
    let reply = SegmentHeader {
        source: header().destination,
        destination: header().source,
        source_port: 80,
        destination_port: 4242,
        segment_len: 9_000,
        captured: 4,
        direction: 1,
        flags: flag::ACK | flag::FIN,
        ..header()
    };
    let reply = bytes(reply, b"HTTP");
    let Record {
        segment,
        ends_segment,
    } = read_record(&reply).unwrap();
    assert_eq!(segment.flow, read_record(&request).unwrap().segment.flow);
    assert_eq!(segment.direction, Direction::ToClient);
    assert_eq!((segment.payload, segment.wire_len), (&b"HTTP"[..], 9_000));
    assert!(ends_segment && segment.flags.fin());
}

#[test]
fn what_the_kernel_waits_for_is_known_of_sockets_that_wait() {
    for (socket, expected) in [
        (SocketState::NotAsked, None),
        (SocketState::Established, Some(SeqNum(990))),
        (SocketState::Request, None),
        (SocketState::SynReceived, Some(SeqNum(990))),
        (SocketState::Listen, None),
        (SocketState::Closing, Some(SeqNum(990))),
    ] {
        let asked = SegmentHeader {
            socket: socket as u32,
            expected: 990,
            ..header()
        };
        let record = bytes(asked, b"GET /");
        let segment = read_record(&record).unwrap().segment;
        assert_eq!(segment.expected, expected, "{socket:?}");
    }
}
