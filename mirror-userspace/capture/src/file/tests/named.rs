//! What is no segment has a name.

use super::{super::*, craft::*};

fn names(link: LinkType, frames: &[Vec<u8>]) -> Vec<(String, u64)> {
    let frames: Vec<_> = frames
        .iter()
        .map(|bytes| Frame::whole(0, bytes.clone()))
        .collect();
    let file = pcapng(Order::Little, link, &frames);
    let (found, _, _) = read(&file);
    assert!(found.is_empty());
    let mut capture = CaptureFile::new(&file[..]).unwrap();
    assert!(capture.next_segment().unwrap().is_none());
    capture.not_read().frames.into_iter().collect()
}

fn named(link: LinkType, frame: Vec<u8>) -> String {
    let names = names(link, &[frame]);
    let [(name, 1)] = names.as_slice() else {
        panic!("{names:?}")
    };
    name.clone()
}

#[test]
fn frames_are_named_by_what_they_carry() {
    let packet = ip(&segment(1, b"GET / HTTP/1.1\r\n\r\n"));
    for (header, name) in [
        (&[0x88, 0x47, 0, 1, 1, 64][..], "mpls"),
        (&[0x88, 0x48, 0, 1, 1, 64], "mpls"),
        (&[0x88, 0x64, 0x11, 0, 0, 9, 0, 60, 0, 0x21], "pppoe"),
        (&[0, 60, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0], "llc"),
        (&[0x92, 0, 0, 7, 8, 0], "vlan_0x9200"),
        (&[0x81, 0, 0, 7, 0x92, 0, 0, 7, 8, 0], "vlan_0x9200"),
        (&[0x81, 0, 0, 1].repeat(5), "too_many_vlans"),
        (&[0x08, 0x06], "arp"),
        (&[0x88, 0xcc], "lldp"),
        (&[0x12, 0x34], "ethertype_0x1234"),
    ] {
        let frame = [&[2; 12][..], header, &packet].concat();
        assert_eq!(named(LinkType::ETHERNET, frame), name);
    }
    assert_eq!(named(LinkType::ETHERNET, vec![2; 13]), "cut_in_header");
    assert_eq!(named(LinkType::NULL, vec![7, 0, 0, 0, 1]), "address_family");
    assert_eq!(named(LinkType::RAW, vec![0x15; 40]), "not_ip");
}

#[test]
fn packets_are_named_by_protocol_and_port() {
    let packet = |protocol: u8, content: &[u8]| {
        let mut packet = ip(&segment(1, content));
        packet[9] = protocol;
        packet.drain(20..40);
        let len = packet.len() as u16;
        packet[2..4].copy_from_slice(&len.to_be_bytes());
        packet
    };
    let udp = |from: u16, to: u16| [from, to, 8, 0].map(u16::to_be_bytes).concat();
    for (protocol, content, name) in [
        (1, vec![8, 0], "icmp"),
        (50, vec![0; 8], "esp"),
        (132, vec![0; 8], "sctp"),
        (253, vec![0; 8], "protocol_253"),
        (17, udp(40_000, 443), "udp_443"),
        (17, udp(53, 40_000), "udp_53"),
        // Not VXLAN: its flag is not set.
        (17, [udp(9, 4789), vec![0; 8]].concat(), "udp_9"),
        (47, vec![0x30, 0x01, 0x88, 0x0b, 0, 0, 0, 0], "pptp"),
        (47, vec![0, 0, 0x88, 0x47, 0, 0, 0, 0], "gre_0x8847"),
    ] {
        assert_eq!(named(LinkType::RAW, packet(protocol, &content)), name);
    }
    let mut fragment = packet(1, &[0; 16]);
    fragment[6] = 0x20;
    assert_eq!(named(LinkType::RAW, fragment), "fragment");
}

#[test]
fn names_are_counted_each_for_itself() {
    let arp = [&[2; 12][..], &[8, 6]].concat();
    let mpls = [&[2; 12][..], &[0x88, 0x47]].concat();
    let counted = names(LinkType::ETHERNET, &[arp.clone(), mpls, arp]);
    assert_eq!(counted, [("arp".into(), 2), ("mpls".into(), 1)]);
}

#[test]
fn other_ports_are_those_of_servers() {
    let syn = |port| Segment {
        flags: mirror_core::segment::TcpFlags(mirror_common::record::flag::SYN),
        ack: None,
        ..between("10.0.0.1:4242", port, 1, b"")
    };
    let (client, server) = ("10.0.0.1:4242", "10.0.0.2:9000");
    let packets: Vec<_> = [
        syn(server),
        between(client, server, 2, b"a"),
        between(server, client, 2, b"b"),
        // Of these nobody has seen the handshake.
        between("10.0.0.1:50555", "10.0.0.2:8080", 1, b"c"),
        between("10.0.0.2:8080", "10.0.0.1:50555", 1, b"d"),
    ]
    .iter()
    .map(|segment| Frame::whole(0, ip(segment)))
    .collect();
    let file = pcapng(Order::Little, LinkType::RAW, &packets);
    let mut capture = CaptureFile::new(&file[..]).unwrap().with_ports(vec![80]);
    assert!(capture.next_segment().unwrap().is_none());
    assert_eq!(capture.counters().other_port, 5);
    let ports: Vec<_> = capture.not_read().ports.into_iter().collect();
    assert_eq!(ports, [(8080, 2), (9000, 2)]);
}
