//! Files that were cut, damaged, or written to do harm.

use super::super::*;
use super::craft::*;

fn three_packets(order: Order) -> [(&'static str, Vec<u8>, usize); 2] {
    let packets: Vec<_> = (0..3)
        .map(|n| Frame::whole(n, ip(&segment(n as u32, b"abc"))))
        .collect();
    [
        (
            "pcap",
            legacy(0xa1b2_c3d4, order, LinkType::RAW, &packets),
            24,
        ),
        ("pcapng", pcapng(order, LinkType::RAW, &packets), 28 + 20),
    ]
}

#[test]
fn a_file_cut_at_any_byte_gives_the_packets_before_the_cut() {
    for order in [Order::Little, Order::Big] {
        for (name, file, headers) in three_packets(order) {
            let record = (file.len() - headers) / 3;
            for cut in headers..=file.len() {
                let (read, ending, _) = read(&file[..cut]);
                let whole = (cut - headers) / record;
                assert_eq!(read.len(), whole, "{name} cut at {cut}");
                let expected = if (cut - headers).is_multiple_of(record) {
                    Ending::Complete
                } else {
                    Ending::Cut
                };
                assert_eq!(ending, expected, "{name} cut at {cut}");
            }
        }
    }
}

#[test]
fn a_file_cut_inside_its_first_header_is_no_capture() {
    for (name, file, _) in three_packets(Order::Little) {
        let recognised_by = if name == "pcap" { 24 } else { 12 };
        for cut in 0..recognised_by {
            let opened = CaptureFile::new(&file[..cut]);
            assert!(
                matches!(opened, Err(OpenError::NotACapture)),
                "{name} cut at {cut}"
            );
        }
        assert!(CaptureFile::new(&file[..recognised_by]).is_ok(), "{name}");
    }
}

#[test]
fn what_is_no_capture_is_told_apart_from_what_cannot_be_read() {
    for other in [
        &b""[..],
        b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
        &[0; 4096],
    ] {
        assert!(matches!(
            CaptureFile::new(other),
            Err(OpenError::NotACapture)
        ));
    }
    let nowhere = CaptureFile::open(Path::new("/nonexistent/capture.pcap"));
    assert!(matches!(nowhere, Err(OpenError::Io(_))));
}

#[test]
fn any_single_changed_byte_does_no_harm() {
    for order in [Order::Little, Order::Big] {
        for (_, file, _) in three_packets(order) {
            for at in 0..file.len() {
                for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                    let mut file = file.clone();
                    file[at] = value;
                    if CaptureFile::new(&file[..]).is_ok() {
                        assert!(read(&file).0.len() <= 3);
                    }
                }
            }
        }
    }
}

/// Reads a file behind which an endless stream of zeros follows, as much as `limit` bytes.
fn read_endless(file: &[u8], limit: u64) -> (usize, Ending, FileCounters) {
    let input = file.chain(io::repeat(0).take(limit));
    let mut capture = CaptureFile::new(input).unwrap();
    let mut segments = 0;
    while capture.next_segment().unwrap().is_some() {
        segments += 1;
    }
    assert!(capture.window.capacity() <= 2 * format::MAX_BLOCK);
    (segments, capture.ending().unwrap(), capture.counters())
}

#[test]
fn a_packet_length_that_cannot_be_true_ends_a_pcap_file_without_reading_on() {
    for captured in [format::MAX_BLOCK as u32 + 1, u32::MAX] {
        let (_, mut file, _) = three_packets(Order::Little)[0].clone();
        file.extend([0; 8]);
        file.extend(captured.to_le_bytes());
        file.extend(captured.to_le_bytes());
        let (segments, ending, _) = read_endless(&file, u64::MAX);
        assert_eq!((segments, ending), (3, Ending::Damaged));
    }
}

#[test]
fn blocks_too_large_to_hold_are_stepped_over() {
    let order = Order::Little;
    let [_, (_, mut file, _)] = three_packets(order);
    let packet = file[48..].to_vec();
    for kind in [6_u32, 0x0bad_0bad] {
        let len = 64 << 20;
        file.extend(kind.to_le_bytes());
        file.extend(u32::to_le_bytes(len));
        file.resize(file.len() + len as usize - 12, 0);
        file.extend(len.to_le_bytes());
    }
    file.extend(packet);
    let (segments, ending, counters) = read_endless(&file, 0);
    assert_eq!((segments, ending), (6, Ending::Complete));
    assert_eq!(
        counters.oversized_packets, 1,
        "the other block is of an unknown type"
    );
}

#[test]
fn hostile_block_lengths_end_a_pcapng_file() {
    for len in [0, 4, 8, 11, 13, 30, u32::MAX] {
        let [_, (_, mut file, _)] = three_packets(Order::Little);
        file.extend(6_u32.to_le_bytes());
        file.extend(len.to_le_bytes());
        file.extend([0; 4]);
        let (segments, ending, _) = read_endless(&file, 4096);
        assert_eq!((segments, ending), (3, Ending::Damaged), "{len}");
    }
    let [_, (_, mut file, _)] = three_packets(Order::Little);
    file.extend(6_u32.to_le_bytes());
    file.extend(0xffff_fffc_u32.to_le_bytes());
    let (segments, ending, counters) = read_endless(&file, 1 << 20);
    assert_eq!(
        (segments, ending),
        (3, Ending::Cut),
        "a length that could be true"
    );
    assert_eq!(counters.oversized_packets, 1);
    let [_, (_, mut file, _)] = three_packets(Order::Little);
    let last = file.len() - 4;
    file[last] ^= 4;
    let (segments, ending, _) = read_endless(&file, 0);
    assert_eq!(
        (segments, ending),
        (2, Ending::Damaged),
        "the two lengths differ"
    );
}

#[test]
fn a_packet_that_claims_more_than_its_block_is_malformed_and_the_rest_is_read() {
    for (kind, field) in [(6_u32, 12), (2, 12)] {
        for claimed in [5_000, u32::MAX - 5, u32::MAX] {
            let packet = ip(&segment(1, b"x"));
            let order = Order::Little;
            let mut bad = enhanced(order, 0, 0, &packet, packet.len());
            bad[..4].copy_from_slice(&kind.to_le_bytes());
            bad[8 + field..12 + field].copy_from_slice(&u32::to_le_bytes(claimed));
            let file = [
                section(order),
                interface(order, LinkType::RAW, 0, &[]),
                bad,
                enhanced(order, 0, 0, &packet, packet.len()),
            ]
            .concat();
            let (read, ending, counters) = read(&file);
            assert_eq!(
                (read.len(), ending),
                (1, Ending::Complete),
                "{kind} {claimed}"
            );
            assert_eq!(counters.malformed_records, 1, "{kind} {claimed}");
        }
    }
}

#[test]
fn interfaces_without_end_are_not_remembered() {
    let order = Order::Little;
    let packet = ip(&segment(1, b"x"));
    let mut file = section(order);
    for _ in 0..70_000 {
        file.extend(interface(order, LinkType::RAW, 0, &[]));
    }
    file.extend(enhanced(order, 65_535, 0, &packet, packet.len()));
    file.extend(enhanced(order, 65_536, 0, &packet, packet.len()));
    let (read, _, counters) = read(&file);
    assert_eq!((read.len(), counters.malformed_records), (1, 1));
}

#[test]
fn a_snap_length_cuts_the_payload_but_not_its_length_on_the_wire() {
    let packet = ip(&segment(1, b"0123456789"));
    let whole = packet.len();
    for snap_len in 0..=whole {
        let captured = Frame {
            nanos: 0,
            bytes: packet[..snap_len].to_vec(),
            wire_len: whole,
        };
        let (read, _, counters) = read(&legacy(
            0xa1b2_c3d4,
            Order::Little,
            LinkType::RAW,
            &[captured],
        ));
        if snap_len < 40 {
            assert_eq!((read.len(), counters.unparsable), (0, 1), "{snap_len}");
        } else {
            assert_eq!(
                read[0].payload,
                b"0123456789"[..snap_len - 40],
                "{snap_len}"
            );
            assert_eq!(read[0].wire_len, 10, "{snap_len}");
        }
    }
}
