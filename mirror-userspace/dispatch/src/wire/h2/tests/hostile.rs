//! Targets that break rules, or would have us work for nothing: the connection is given up.

use std::time::Duration;

use super::{
    super::Fault,
    rig::{Rig, block, frame, headers, settings},
};

const HEAD: &[u8] = b"head";

/// Says it to a session with one open stream, until it is enough.
fn until_out(rig: &mut Rig, bytes: &[u8], times: usize) -> Option<usize> {
    (0..times).find(|_| {
        let out = rig.hear(bytes) == Err(Fault::Broken);
        rig.written();
        out
    })
}

fn open() -> Rig {
    let mut rig = Rig::greeted(&[]);
    rig.give(HEAD, b"");
    rig.frames();
    rig
}

#[test]
fn what_is_no_http2_is_said_to_be_none() {
    for bytes in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"HTTP/1.0 505 \r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46\x00\x00",
        &frame(6, 0, 0, &[0; 8]),
        &frame(4, 1, 0, b""),
    ] {
        let mut rig = Rig::new();
        rig.give(HEAD, b"");
        assert_eq!(rig.hear(bytes), Err(Fault::NotHttp2), "{bytes:?}");
        assert!(rig.begun.is_empty());
    }
}

#[test]
fn connection_errors_end_it() {
    for bytes in [
        // Too long, on no stream, pushed, of a wrong length, out of range.
        frame(0, 0, 1, &[0; 16_385]),
        frame(0, 0, 0, b"x"),
        frame(1, 4, 2, b""),
        frame(5, 4, 1, &[0; 4]),
        frame(6, 0, 0, &[0; 7]),
        frame(4, 0, 0, &[0; 5]),
        frame(4, 1, 0, &[0; 6]),
        frame(3, 0, 1, &[0; 5]),
        frame(7, 0, 1, &[0; 8]),
        settings(&[(2, 2)]),
        settings(&[(4, 1 << 31)]),
        settings(&[(5, 16_383)]),
        settings(&[(5, 1 << 24)]),
        // A block that is none, or is broken off.
        frame(1, 4, 1, &[0x80]),
        frame(1, 4, 1, &[0x3f, 0xff, 0xff, 0xff]),
        [frame(1, 0, 1, b""), frame(6, 0, 0, &[0; 8])].concat(),
        [frame(1, 0, 1, b""), frame(9, 4, 3, b"")].concat(),
        frame(9, 4, 1, b""),
        frame(1, 4 | 8, 1, &[9, 0, 0]),
        frame(1, 4 | 32, 1, &[0; 4]),
        // A stream that we have not.
        frame(1, 4, 3, &block(&[(":status", "200")])),
    ] {
        assert_eq!(open().hear(&bytes), Err(Fault::Broken), "{:?}", &bytes[..9]);
    }
}

#[test]
fn frames_that_bring_nothing_are_taken_so_many() {
    for bytes in [
        frame(6, 0, 0, &[0; 8]),
        settings(&[]),
        frame(0, 0, 1, b""),
        frame(2, 0, 1, &[0; 5]),
        frame(99, 0, 0, b""),
        super::rig::window(0, 1),
        headers(1, false, &[(":status", "103")]),
    ] {
        let mut rig = open();
        if bytes[3] == 0 {
            rig.hear(&headers(1, false, &[(":status", "200")])).unwrap();
        }
        let out = until_out(&mut rig, &bytes, 20_000);
        assert!(
            out.is_some_and(|at| at >= 9_990),
            "{:?}: {out:?}",
            &bytes[..9]
        );
        let mut slow = open();
        if bytes[3] == 0 {
            slow.hear(&headers(1, false, &[(":status", "200")]))
                .unwrap();
        }
        for _ in 0..5 {
            assert_eq!(
                until_out(&mut slow, &bytes, 5_000),
                None,
                "now and then it may"
            );
            slow.pass(Duration::from_secs(10));
        }
    }
}

#[test]
fn who_reads_no_answers_gets_few() {
    let mut rig = open();
    let ping = frame(6, 0, 0, &[0; 8]);
    let mut most = 0;
    for _ in 0..20_000 {
        // Time passes: it is no flood.
        rig.pass(Duration::from_millis(10));
        if rig.hear(&ping).is_err() {
            break;
        }
        assert!(rig.session.poll_bytes(&mut rig.copies));
        most = rig.session.bytes().len();
    }
    assert!((250_000..300_000).contains(&most), "{most}");
}

#[test]
fn header_blocks_have_an_end() {
    let mut rig = open();
    rig.hear(&frame(1, 0, 1, b"")).unwrap();
    assert_eq!(until_out(&mut rig, &frame(9, 0, 1, b""), 1_000), Some(64));
    let mut rig = open();
    rig.hear(&frame(1, 0, 1, b"")).unwrap();
    assert_eq!(
        until_out(&mut rig, &frame(9, 0, 1, &[0; 16_384]), 1_000),
        Some(8)
    );
}

#[test]
fn fields_beyond_their_limit_cost_a_reply_and_no_memory() {
    // An entry of the dynamic table, which one byte each names.
    let mut bomb = vec![0x40, 1, b'x', 127, 0xc9, 0x1d];
    bomb.extend([b'v'; 127 + 0x49 + (0x1d << 7)]);
    bomb.extend(vec![0xbe; 12_000]);
    let mut rig = open();
    rig.hear(&frame(1, 5, 1, &bomb)).unwrap();
    assert!(matches!(
        rig.take_heard()[..],
        [super::super::Heard::Lost(1, _)]
    ));
}
