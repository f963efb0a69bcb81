//! Requests that travel in tunnels, as clouds, switches and overlays send copies.

use super::{super::*, craft::*};

const TEXT: &[u8] = b"GET /inside HTTP/1.1\r\nHost: a\r\n\r\n";

/// An IPv4 packet from 192.168.9.1 to .2.
fn outer(protocol: u8, carried: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 9, 0, 0, 64, protocol, 0, 0];
    packet.extend([192, 168, 9, 1, 192, 168, 9, 2]);
    packet.extend(carried);
    let len = packet.len() as u16;
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    packet
}

fn udp(port: u16, header: &[u8], carried: &[u8]) -> Vec<u8> {
    let len = 8 + header.len() + carried.len();
    let ports = [50_000, port, len as u16, 0].map(u16::to_be_bytes).concat();
    outer(17, &[&ports[..], header, carried].concat())
}

fn vxlan(port: u16, carried: &[u8]) -> Vec<u8> {
    udp(port, &[8, 0, 0, 0, 0, 0, 42, 0], carried)
}

fn gre(header: &[u8], carried: &[u8]) -> Vec<u8> {
    outer(47, &[header, carried].concat())
}

/// Every tunnel that is taken off, around the same request.
fn tunnels() -> Vec<(&'static str, Vec<u8>)> {
    let inner = ip(&segment(1, TEXT));
    let frame = frame(LinkType::ETHERNET, &inner);
    let mut provider = frame[..12].to_vec();
    provider.extend([0x91, 0, 0, 1, 0x88, 0xa8, 0, 2, 0x81, 0, 0, 3]);
    provider.extend(&frame[12..]);
    let erspan_ii = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 1, 0, 0, 0, 0, 0, 5];
    let erspan_iii = [
        0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 1, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0,
    ];
    vec![
        ("VXLAN", vxlan(4789, &frame)),
        ("VXLAN, where Linux has it", vxlan(8472, &frame)),
        ("VXLAN with three VLAN tags", vxlan(4789, &provider)),
        (
            "Geneve",
            udp(6081, &[0, 0, 0x65, 0x58, 0, 0, 42, 0], &frame),
        ),
        (
            "Geneve, IP",
            udp(6081, &[0, 0, 0x08, 0, 0, 0, 42, 0], &inner),
        ),
        ("GRE", gre(&[0, 0, 0x08, 0], &inner)),
        (
            "GRE with a key",
            gre(&[0x20, 0, 0x65, 0x58, 0, 0, 0, 7], &frame),
        ),
        ("ERSPAN I", gre(&[0, 0, 0x88, 0xbe], &frame)),
        ("ERSPAN II", gre(&erspan_ii, &frame)),
        ("ERSPAN III", gre(&erspan_iii, &frame)),
        ("IP in IP", outer(4, &inner)),
        ("VXLAN in GRE", gre(&[0, 0, 0x08, 0], &vxlan(4789, &frame))),
    ]
}

fn read_one(link: LinkType, packet: &[u8]) -> (Vec<Seen>, FileCounters) {
    let packet = Frame::whole(1_000, frame(link, packet));
    let (read, _, counters) = read(&pcapng(Order::Little, link, &[packet]));
    (read, counters)
}

#[test]
fn requests_in_tunnels_are_those_without() {
    let (plain, _) = read_one(LinkType::ETHERNET, &ip(&segment(1, TEXT)));
    for link in [LinkType::ETHERNET, LinkType::LINUX_SLL, LinkType::RAW] {
        for (name, packet) in tunnels() {
            let (read, counters) = read_one(link, &packet);
            assert_eq!(read, plain, "{name}");
            assert_eq!(counters.tunnelled, 1, "{name}");
        }
    }
}

#[test]
fn a_tunnel_in_fragments_is_put_together() {
    for (name, packet) in tunnels() {
        let (header, payload) = packet.split_at(20);
        let packets: Vec<_> = payload
            .chunks(32)
            .enumerate()
            .map(|(n, piece)| {
                let mut fragment = [header, piece].concat();
                let len = fragment.len() as u16;
                let more = (n + 1) * 32 < payload.len();
                let place = (n * 4) as u16 | if more { 0x2000 } else { 0 };
                fragment[2..4].copy_from_slice(&len.to_be_bytes());
                fragment[6..8].copy_from_slice(&place.to_be_bytes());
                Frame::whole(n as u64, fragment)
            })
            .collect();
        let (read, _, counters) = read(&pcapng(Order::Big, LinkType::RAW, &packets));
        assert_eq!(read.len(), 1, "{name}: {counters:?}");
        assert_eq!(read[0].payload, TEXT, "{name}");
        assert_eq!(counters.fragments.datagrams, 1, "{name}");
    }
}

#[test]
fn fragments_in_a_tunnel_in_fragments_are_put_together() {
    let inner = ip(&segment(1, TEXT));
    let mut outers = Vec::new();
    for (place, piece) in [(0x2000, &inner[20..52]), (4, &inner[52..])] {
        let mut fragment = [&inner[..20], piece].concat();
        let len = fragment.len() as u16;
        fragment[2..4].copy_from_slice(&len.to_be_bytes());
        fragment[6..8].copy_from_slice(&u16::to_be_bytes(place));
        let whole = vxlan(4789, &frame(LinkType::ETHERNET, &fragment));
        let (first, last) = whole[20..].split_at(40);
        for (place, piece) in [(0x2000, first), (5, last)] {
            let mut packet = outer(17, piece);
            packet[5] = outers.len() as u8 / 2;
            packet[6..8].copy_from_slice(&u16::to_be_bytes(place));
            outers.push(Frame::whole(0, packet));
        }
    }
    let (read, _, counters) = read(&pcapng(Order::Big, LinkType::RAW, &outers));
    assert_eq!(read.len(), 1, "{counters:?}");
    assert_eq!(read[0].payload, TEXT);
    assert_eq!((counters.packets, counters.fragments.datagrams), (4, 3));
}

#[test]
fn a_snap_length_that_cuts_inside_a_tunnel_leaves_what_was_captured() {
    for (name, packet) in tunnels() {
        for cut in 0..packet.len() {
            let frame = Frame {
                nanos: 0,
                bytes: packet[..cut].to_vec(),
                wire_len: packet.len(),
            };
            let (read, _, counters) = read(&pcapng(Order::Little, LinkType::RAW, &[frame]));
            match read.as_slice() {
                [one] => {
                    assert_eq!(one.wire_len as usize, TEXT.len(), "{name} {cut}");
                    assert!(TEXT.starts_with(&one.payload), "{name} {cut}");
                }
                _ => assert_eq!(counters.not_tcp + counters.unparsable, 1, "{name} {cut}"),
            }
        }
    }
}

#[test]
fn ports_of_tunnels_are_those_that_were_given() {
    let frame = frame(LinkType::ETHERNET, &ip(&segment(1, TEXT)));
    let packets = [
        Frame::whole(0, vxlan(4789, &frame)),
        Frame::whole(0, vxlan(9000, &frame)),
    ];
    let file = pcapng(Order::Little, LinkType::RAW, &packets);
    let given = Tunnels {
        vxlan: 9000,
        geneve: 0,
    };
    let mut capture = CaptureFile::new(&file[..])
        .unwrap()
        .with_tunnels(vec![given]);
    assert_eq!(
        capture.next_segment().unwrap().unwrap().segment.payload,
        TEXT
    );
    assert!(capture.next_segment().unwrap().is_none());
    let frames = capture.not_read().frames;
    assert_eq!(
        frames.into_iter().collect::<Vec<_>>(),
        [("vxlan_at_4789".into(), 1)]
    );
}

#[test]
fn a_third_tunnel_is_named() {
    let inner = ip(&segment(1, TEXT));
    let file = pcapng(
        Order::Little,
        LinkType::RAW,
        &[Frame::whole(0, outer(4, &outer(4, &outer(4, &inner))))],
    );
    let mut capture = CaptureFile::new(&file[..]).unwrap();
    assert!(capture.next_segment().unwrap().is_none());
    assert_eq!(capture.not_read().frames["too_many_tunnels"], 1);
}
