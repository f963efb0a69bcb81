//! Segments that v1's kernel has dropped, and captures in which checksums say nothing.

use super::{super::*, craft::*};

/// A segment with this much added to the checksum at `at` of its packet.
fn with_sum(seq: u32, payload: &[u8], at: usize, add: u16) -> Vec<u8> {
    let mut packet = ip(&segment(seq, payload));
    let sum = u16::from_be_bytes([packet[at], packet[at + 1]]).wrapping_add(add);
    packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    packet
}

const TCP_SUM: usize = 36;
const IP_SUM: usize = 10;

fn right(seq: u32, payload: &[u8]) -> Vec<u8> {
    ip(&segment(seq, payload))
}

fn wrong(seq: u32, payload: &[u8]) -> Vec<u8> {
    with_sum(seq, payload, TCP_SUM, 0x0101)
}

/// A segment as the machine has it that sends it: its interface adds all but the pseudo-header.
fn offloaded(seq: u32, payload: &[u8], with_len: bool) -> Vec<u8> {
    let mut packet = right(seq, payload);
    let len = if with_len { packet.len() - 20 } else { 0 };
    let pseudo: u32 = packet[12..20]
        .chunks(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum::<u32>()
        + 6
        + len as u32;
    let sum = (pseudo & 0xffff) as u16 + (pseudo >> 16) as u16;
    packet[TCP_SUM..TCP_SUM + 2].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn read_packets(packets: &[Vec<u8>]) -> (Vec<Vec<u8>>, FileCounters) {
    let packets: Vec<_> = packets
        .iter()
        .map(|packet| Frame::whole(0, packet.clone()))
        .collect();
    let (found, _, counters) = read(&pcapng(Order::Little, LinkType::RAW, &packets));
    (
        found.into_iter().map(|seen| seen.payload).collect(),
        counters,
    )
}

#[test]
fn a_wrong_checksum_among_right_ones_is_refused() {
    for bad in [wrong(2, b"999"), with_sum(2, b"999", IP_SUM, 7)] {
        let (found, counters) = read_packets(&[right(1, b"a"), bad, right(2, b"001")]);
        assert_eq!(found, [&b"a"[..], b"001"]);
        assert_eq!(counters.bad_checksum, 1);
    }
}

#[test]
fn it_opens_no_connection_either() {
    let mut syn = segment(9, b"");
    syn.flags = mirror_core::segment::TcpFlags(mirror_common::record::flag::SYN);
    syn.ack = None;
    let mut syn = ip(&syn);
    syn[TCP_SUM] ^= 1;
    let packets = [right(1, b"a"), syn, right(2, b"b")].map(|packet| Frame::whole(0, packet));
    let (found, ..) = read(&pcapng(Order::Little, LinkType::RAW, &packets));
    let streams: Vec<_> = found.iter().map(|seen| seen.stream).collect();
    assert_eq!(streams, [0, 0]);
}

#[test]
fn checksums_that_nobody_has_computed_say_nothing() {
    let all_wrong: Vec<_> = (0..50).map(|n| wrong(n, b"x")).collect();
    let (found, counters) = read_packets(&all_wrong);
    assert_eq!((found.len(), counters.bad_checksum), (50, 0));

    // Right ones of the same sender do not matter where the field says that it was left.
    for with_len in [true, false] {
        let mixed: Vec<_> = (0..50)
            .flat_map(|n| [right(2 * n, b"x"), offloaded(2 * n + 1, b"x", with_len)])
            .collect();
        let (found, counters) = read_packets(&mixed);
        assert_eq!((found.len(), counters.bad_checksum), (100, 0));
    }
    let mut no_header_sum = right(2, b"x");
    no_header_sum[IP_SUM..IP_SUM + 2].fill(0);
    let (found, _) = read_packets(&[right(1, b"x"), no_header_sum]);
    assert_eq!(found.len(), 2);
}

#[test]
fn what_was_put_together_or_cut_by_a_snap_length_has_no_checksum_of_its_own() {
    let (long, short) = ([b'x'; 3_000], [b'x'; 1_000]);
    let (found, _) = read_packets(&[right(1, b"x"), wrong(2, &long), right(3_002, b"x")]);
    assert_eq!(found.len(), 3);
    let cut = Frame {
        nanos: 0,
        bytes: right(2, &short)[..200].to_vec(),
        wire_len: 1_040,
    };
    let packets = [Frame::whole(0, right(1, b"x")), cut];
    let (found, ..) = read(&pcapng(Order::Little, LinkType::RAW, &packets));
    assert_eq!(found.len(), 2);
}

#[test]
fn checksums_of_ipv6_are_those_of_their_pseudo_header() {
    let v6 = |seq, text| ip(&between("[fd00::1]:9", "[fd00::2]:80", seq, text));
    let mut bad = v6(2, b"999");
    bad[57] ^= 0x40;
    let (found, counters) = read_packets(&[v6(1, b"a"), bad, v6(2, b"001")]);
    assert_eq!(found, [&b"a"[..], b"001"]);
    assert_eq!(counters.bad_checksum, 1);
}

#[test]
fn fragments_have_the_checksum_of_the_whole() {
    let fragments = |packet: Vec<u8>| {
        [(0x2000_u16, 20..44), (3, 44..packet.len())].map(|(place, range)| {
            let mut fragment = [&packet[..20], &packet[range]].concat();
            let len = fragment.len() as u16;
            fragment[2..4].copy_from_slice(&len.to_be_bytes());
            fragment[6..8].copy_from_slice(&place.to_be_bytes());
            fragment
        })
    };
    let [a, b] = fragments(right(2, b"in two pieces"));
    let [c, d] = fragments(wrong(15, b"in two pieces"));
    let (found, counters) = read_packets(&[right(1, b"x"), a, b, c, d]);
    assert_eq!(found, [&b"x"[..], b"in two pieces"]);
    assert_eq!(counters.bad_checksum, 1);
}

#[test]
fn they_are_ignored_where_that_is_asked_for() {
    let packets = [right(1, b"a"), wrong(2, b"b")].map(|packet| Frame::whole(0, packet));
    let file = pcapng(Order::Little, LinkType::RAW, &packets);
    let mut capture = CaptureFile::new(&file[..])
        .unwrap()
        .ignoring_checksums(true);
    let mut found = 0;
    while capture.next_segment().unwrap().is_some() {
        found += 1;
    }
    assert_eq!(found, 2);
}

#[test]
fn ipv6_that_passes_for_ipv4_is_refused() {
    let mut packet = ip(&between("[fd00::1]:9", "[fd00::2]:80", 1, b"x"));
    packet[8..24].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1]);
    let (found, counters) = read_packets(&[right(1, b"a"), packet]);
    assert_eq!(found, [b"a"]);
    assert_eq!(counters.forged_address, 1);
}

#[test]
fn only_what_an_interface_will_cut_lacks_its_length() {
    let lacking = |payload: &[u8]| {
        let mut packet = right(1, payload);
        packet[2..4].fill(0);
        packet[IP_SUM..IP_SUM + 2].fill(0);
        packet
    };
    let (found, counters) = read_packets(&[lacking(&[b'x'; 4_000]), lacking(b"short")]);
    assert_eq!(found, [[b'x'; 4_000]]);
    assert_eq!(counters.unparsable, 1);
}
