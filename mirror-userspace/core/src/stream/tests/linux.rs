//! What a real Linux socket read of segments that overlap with different bytes.

use super::*;

const RECORDED: &str = include_str!("linux.txt");

/// Reads `12+4fu3`, the segment that is all `letter`.
fn parse(text: &str, letter: u8) -> Sent {
    let (text, urgent) = match text.split_once('u') {
        Some((text, pointer)) => (text, Some(pointer.parse().unwrap())),
        None => (text, None),
    };
    let (text, fin) = match text.strip_suffix('f') {
        Some(text) => (text, flag::FIN),
        None => (text, 0),
    };
    let (offset, len) = text.split_once('+').unwrap();
    let sent = data(offset.parse().unwrap(), vec![letter; len.parse().unwrap()]).and(fin);
    match urgent {
        Some(pointer) => sent.urgent(pointer),
        None => sent,
    }
}

/// What came before anything was given up.
fn read(bench: &Bench) -> String {
    let told = bench.log.iter().map(|(_, told)| told);
    told.map(|told| match told {
        Told::Data { bytes, .. } => String::from_utf8(bytes.clone()).unwrap(),
        Told::Closed(Close::Fin) => ".".to_owned(),
        Told::Opened { from_start: true } => String::new(),
        other => panic!("{other:?}"),
    })
    .collect()
}

#[test]
fn the_stream_is_what_a_linux_socket_read() {
    let cases = RECORDED.lines().filter(|line| !line.starts_with('#'));
    let mut checked = 0;
    for case in cases {
        let (segments, expected) = case.split_once(" = ").unwrap();
        for first in [SeqNum(1_000), SeqNum(u32::MAX - 7)] {
            let mut bench = Bench::new(Limits::default(), 1 << 20);
            bench.send(flow(0), first, &syn());
            for (segment, letter) in segments.split(' ').zip(b'A'..) {
                bench.send(flow(0), first, &parse(segment, letter));
            }
            assert_eq!(read(&bench), expected, "{case}");
        }
        checked += 1;
    }
    assert!(checked > 100, "{checked}");
}
