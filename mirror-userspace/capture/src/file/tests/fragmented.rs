//! IP fragments: in order, reversed, repeated, overlapping, missing, too many.

use std::ops::Range;

use mirror_core::counters::FragmentCounters;

use super::super::*;
use super::craft::*;

const PAYLOAD: &[u8] =
    b"POST /fragmented HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello";

/// An IPv4 fragment with the bytes `range` of a packet's payload.
fn v4(packet: &[u8], range: Range<usize>, identification: u16) -> Vec<u8> {
    let more = range.end < packet.len() - 20;
    let mut fragment = [&packet[..20], &packet[20..][range.clone()]].concat();
    let len = fragment.len() as u16;
    fragment[2..4].copy_from_slice(&len.to_be_bytes());
    fragment[4..6].copy_from_slice(&identification.to_be_bytes());
    let place = (range.start / 8) as u16 | if more { 0x2000 } else { 0 };
    fragment[6..8].copy_from_slice(&place.to_be_bytes());
    fragment
}

/// An IPv6 fragment behind a hop-by-hop header.
fn v6(packet: &[u8], range: Range<usize>, identification: u32) -> Vec<u8> {
    let more = range.end < packet.len() - 40;
    let place = range.start as u16 | u16::from(more);
    let mut fragment = packet[..40].to_vec();
    fragment[4..6].copy_from_slice(&((range.len() + 16) as u16).to_be_bytes());
    fragment[6] = 0;
    fragment.extend([44, 0, 1, 4, 0, 0, 0, 0]);
    fragment.extend([6, 0]);
    fragment.extend(place.to_be_bytes());
    fragment.extend(identification.to_be_bytes());
    fragment.extend(&packet[40..][range]);
    fragment
}

fn read_packets(packets: impl IntoIterator<Item = Vec<u8>>) -> (Vec<Seen>, FragmentCounters) {
    let packets: Vec<_> = packets
        .into_iter()
        .map(|packet| Frame::whole(0, packet))
        .collect();
    let (read, _, counters) = read(&pcapng(Order::Little, LinkType::RAW, &packets));
    (read, counters.fragments)
}

/// The pieces of a TCP segment, 24 bytes each, `cut` making fragments of them.
fn pieces(len: usize) -> Vec<Range<usize>> {
    (0..len)
        .step_by(24)
        .map(|start| start..len.min(start + 24))
        .collect()
}

#[test]
fn fragments_in_any_order_give_the_segment() {
    let packet = ip(&segment(1, PAYLOAD));
    let packet6 = ip(&between("[fd00::1]:9", "[fd00::2]:80", 1, PAYLOAD));
    let tcp = pieces(packet.len() - 20);
    for turn in 0..tcp.len() {
        for reversed in [false, true] {
            let mut tcp = tcp.clone();
            tcp.rotate_left(turn);
            if reversed {
                tcp.reverse();
            }
            let fragments4 = tcp.iter().map(|range| v4(&packet, range.clone(), 7));
            let fragments6 = tcp.iter().map(|range| v6(&packet6, range.clone(), 7));
            let (read, counters) = read_packets(fragments4.chain(fragments6));
            assert_eq!(read.len(), 2, "{tcp:?}");
            assert!(
                read.iter().all(|segment| segment.payload == PAYLOAD),
                "{tcp:?}"
            );
            assert_eq!(counters.datagrams, 2);
            assert_eq!(counters.joined, 2 * tcp.len() as u64);
        }
    }
}

#[test]
fn fragments_of_several_datagrams_may_be_interleaved() {
    let packets: Vec<_> = (0..50_u16)
        .map(|n| ip(&segment(u32::from(n) * 100, format!("{n:024}").as_bytes())))
        .collect();
    let halves = |range: Range<usize>| {
        let cut = move |(n, packet): (usize, &Vec<u8>)| v4(packet, range.clone(), n as u16);
        packets.iter().enumerate().map(cut)
    };
    let (read, _) = read_packets(halves(24..44).chain(halves(0..24)));
    assert_eq!(read.len(), 50);
    for (n, segment) in read.iter().enumerate() {
        assert_eq!(segment.payload, format!("{n:024}").as_bytes());
    }
}

#[test]
fn a_missing_fragment_gives_nothing() {
    let packet = ip(&segment(1, PAYLOAD));
    let tcp = pieces(packet.len() - 20);
    for missing in 0..tcp.len() {
        let left = tcp.iter().enumerate().filter(|(n, _)| *n != missing);
        let (read, counters) = read_packets(left.map(|(_, range)| v4(&packet, range.clone(), 7)));
        assert!(read.is_empty());
        assert_eq!(counters.timed_out, tcp.len() as u64 - 1);
    }
}

#[test]
fn a_repeated_fragment_is_dropped_even_with_other_bytes() {
    let packet = ip(&segment(1, PAYLOAD));
    let mut other = packet.clone();
    other[20..].fill(b'!');
    let (read, counters) = read_packets([
        v4(&packet, 0..48, 7),
        v4(&other, 0..48, 7),
        v4(&other, 8..24, 7),
        v4(&packet, 48..packet.len() - 20, 7),
    ]);
    assert_eq!(read[0].payload, PAYLOAD);
    assert_eq!((counters.duplicates, counters.joined), (2, 2));
}

#[test]
fn overlapping_fragments_discard_the_datagram() {
    let packet = ip(&segment(1, PAYLOAD));
    let end = packet.len() - 20;
    let overlaps = [
        [0..48, 40..end],
        [40..end, 0..48],
        [24..48, 0..72],
        [48..end, 8..end],
    ];
    for pair in overlaps {
        let fragments = pair.clone().map(|range| v4(&packet, range, 7));
        let (read, counters) = read_packets(fragments);
        assert!(read.is_empty(), "{pair:?}");
        assert_eq!(
            (counters.overlapping, counters.timed_out),
            (2, 0),
            "{pair:?}"
        );
    }
}

#[test]
fn two_ends_discard_the_datagram() {
    let long = ip(&segment(1, PAYLOAD));
    let short = ip(&segment(1, &PAYLOAD[..20]));
    let end = long.len() - 20;
    for pair in [
        [v4(&long, 48..end, 7), v4(&short, 24..40, 7)],
        [v4(&short, 24..40, 7), v4(&long, 48..72, 7)],
    ] {
        let (read, counters) = read_packets(pair);
        assert!(read.is_empty());
        assert_eq!(counters.overlapping, 2);
    }
}

#[test]
fn a_datagram_longer_than_ip_allows_is_refused() {
    let mut packet = ip(&segment(1, &[b'x'; 100]));
    packet.truncate(20 + 16);
    let mut far = v4(&packet, 0..16, 7);
    far[6..8].copy_from_slice(&0x1fff_u16.to_be_bytes());
    let (read, counters) = read_packets([far]);
    assert!(read.is_empty());
    assert_eq!(counters.refused, 1);
}

#[test]
fn a_fragment_that_a_snap_length_cut_is_refused() {
    let packet = ip(&segment(1, PAYLOAD));
    let fragment = v4(&packet, 0..48, 7);
    let captured = Frame {
        nanos: 0,
        bytes: fragment[..60].to_vec(),
        wire_len: fragment.len(),
    };
    let (read, _, counters) = read(&pcapng(Order::Little, LinkType::RAW, &[captured]));
    assert!(read.is_empty());
    assert_eq!(counters.fragments.refused, 1);
}

#[test]
fn datagrams_wait_half_a_minute_and_in_bounded_number() {
    let packet = ip(&segment(1, PAYLOAD));
    let end = packet.len() - 20;
    let late = [(0, 0..48), (31_000_000_000, 48..end)];
    let packets = late.map(|(at, range)| Frame::whole(at, v4(&packet, range, 7)));
    let (found, _, counters) = read(&pcapng(Order::Little, LinkType::RAW, &packets));
    assert!(found.is_empty());
    assert_eq!(counters.fragments.timed_out, 2);

    let (found, counters) = read_packets((0..1_000).map(|id| v4(&packet, 0..48, id)));
    assert!(found.is_empty());
    assert_eq!((counters.evicted, counters.timed_out), (1_000 - 64, 64));
}
