//! Every format, byte order and link type; interfaces, sections and clocks.

use super::super::*;
use super::craft::*;

const LINKS: [LinkType; 9] = [
    LinkType::NULL,
    LinkType::ETHERNET,
    LinkType::RAW_BSD,
    LinkType::RAW,
    LinkType::LOOP,
    LinkType::LINUX_SLL,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType::LINUX_SLL2,
];
const NANOS: u64 = 1_795_327_200_123_456_789;

#[test]
fn every_format_byte_order_and_link_type_gives_the_same_segments() {
    for link in LINKS {
        let v4 = ip(&segment(10, b"GET / HTTP/1.1\r\n"));
        let v6 = ip(&between("[fd00::1]:9", "[fd00::2]:80", 10, b"POST "));
        let packets = [
            Frame::whole(NANOS, frame(link, &v4)),
            Frame::whole(NANOS + 1_000, frame(link, &v6)),
        ];
        for order in [Order::Little, Order::Big] {
            let files = [
                ("µs", legacy(0xa1b2_c3d4, order, link, &packets)),
                ("ns", legacy(0xa1b2_3c4d, order, link, &packets)),
                ("ng", pcapng(order, link, &packets)),
            ];
            for (name, file) in files {
                let case = format!("{name} {order:?} {link}");
                let (read, ending, _) = read(&file);
                assert_eq!(ending, Ending::Complete, "{case}");
                assert_eq!(read.len(), 2, "{case}");
                assert_eq!(read[0].payload, b"GET / HTTP/1.1\r\n", "{case}");
                assert_eq!(read[0].to, "10.0.0.2:80", "{case}");
                assert_eq!(read[1].payload, b"POST ", "{case}");
                assert_eq!(read[1].from, "[fd00::1]:9", "{case}");
                let nanos = if name == "ns" { NANOS } else { NANOS - 789 };
                assert_eq!(read[0].nanos, nanos, "{case}");
                assert_eq!((read[0].stream, read[1].stream), (0, 1), "{case}");
            }
        }
    }
}

#[test]
fn the_modified_pcap_variant_is_read() {
    let packet = Frame::whole(NANOS, ip(&segment(1, b"x")));
    let file = legacy(
        0xa1b2_cd34,
        Order::Little,
        LinkType::RAW,
        &[packet.clone(), packet],
    );
    assert_eq!(read(&file).0.len(), 2);
}

#[test]
fn ethernet_padding_and_a_frame_check_sequence_are_not_payload() {
    let mut padded = frame(LinkType::ETHERNET, &ip(&segment(1, b"")));
    padded[14 + 33] |= 1;
    padded.extend([0xee; 6]);
    let file = legacy(
        0xa1b2_c3d4,
        Order::Little,
        LinkType(1),
        &[Frame::whole(0, padded)],
    );
    let (read, ..) = read(&file);
    assert_eq!(
        (read[0].payload.as_slice(), read[0].wire_len),
        (&b""[..], 0),
        "a bare FIN"
    );
}

#[test]
fn interfaces_have_their_own_link_type_and_clock() {
    let packet = ip(&segment(1, b"x"));
    for order in [Order::Little, Order::Big] {
        let offset = match order {
            Order::Little => 100_i64.to_le_bytes(),
            Order::Big => 100_i64.to_be_bytes(),
        };
        let file = [
            section(order),
            interface(order, LinkType::RAW, 0, &[(9, &[9])]),
            interface(
                order,
                LinkType::ETHERNET,
                0,
                &[(9, &[0x80 | 10]), (14, &offset)],
            ),
            interface(order, LinkType::RAW, 0, &[(9, &[0])]),
            interface(order, LinkType::RAW, 0, &[(9, &[127])]),
            enhanced(order, 0, 7, &packet, packet.len()),
            enhanced(
                order,
                1,
                1536,
                &frame(LinkType::ETHERNET, &packet),
                packet.len() + 14,
            ),
            enhanced(order, 2, 3, &packet, packet.len()),
            enhanced(order, 3, 3, &packet, packet.len()),
            enhanced(order, 2, u64::MAX, &packet, packet.len()),
            enhanced(order, 4, 7, &packet, packet.len()),
        ]
        .concat();
        let (read, ending, counters) = read(&file);
        let nanos: Vec<u64> = read.iter().map(|segment| segment.nanos).collect();
        assert_eq!(
            nanos,
            [7, 101_500_000_000, 3_000_000_000, 0, u64::MAX],
            "nanoseconds; 1024ths of a second from 100 s on; seconds; nothing known; the far future"
        );
        assert_eq!(
            counters.malformed_records, 1,
            "interface 4 was not described"
        );
        assert_eq!(ending, Ending::Complete);
    }
}

#[test]
fn a_new_section_has_its_own_byte_order_and_interfaces() {
    let packet = ip(&segment(1, b"x"));
    let file = [
        pcapng(
            Order::Big,
            LinkType::RAW,
            &[Frame::whole(1_000, packet.clone())],
        ),
        block(Order::Big, 5, &[0; 20]),
        section(Order::Little),
        enhanced(Order::Little, 0, 2, &packet, packet.len()),
        interface(Order::Little, LinkType::NULL, 0, &[]),
        enhanced(
            Order::Little,
            0,
            3,
            &frame(LinkType::NULL, &packet),
            packet.len() + 4,
        ),
    ]
    .concat();
    let (read, ending, counters) = read(&file);
    let nanos: Vec<u64> = read.iter().map(|segment| segment.nanos).collect();
    assert_eq!(nanos, [1_000, 3_000]);
    assert_eq!(
        counters.malformed_records, 1,
        "a packet before its interface"
    );
    assert_eq!(ending, Ending::Complete);
}

#[test]
fn simple_and_obsolete_packet_blocks_are_read() {
    for order in [Order::Little, Order::Big] {
        let packet = ip(&segment(1, b"0123456789"));
        let len = order.u32(packet.len() as u32);
        let simple = [&len[..], &packet].concat();
        let cut = [&len[..], &packet[..44]].concat();
        let obsolete = [
            &order.u16(0)[..],
            &order.u16(9),
            &order.u32(0),
            &order.u32(5),
            &len,
            &len,
            &packet,
        ]
        .concat();
        let file = [
            section(order),
            interface(order, LinkType::RAW, 44, &[]),
            block(order, 2, &obsolete),
            block(order, 3, &cut),
            section(order),
            interface(order, LinkType::RAW, 0, &[]),
            block(order, 3, &simple),
        ]
        .concat();
        let (read, ..) = read(&file);
        let payloads: Vec<&[u8]> = read.iter().map(|segment| &segment.payload[..]).collect();
        assert_eq!(payloads, [&b"0123456789"[..], b"0123", b"0123456789"]);
        assert!(read.iter().all(|segment| segment.wire_len == 10));
        assert!(
            read.iter().all(|segment| segment.nanos == 5_000),
            "the time last seen"
        );
    }
}

#[test]
fn unread_link_types_are_counted_by_type() {
    let packet = ip(&segment(1, b"x"));
    let order = Order::Little;
    let file = [
        section(order),
        interface(order, LinkType(240), 0, &[]),
        interface(order, LinkType(127), 0, &[]),
        enhanced(order, 0, 1, &packet, packet.len()),
        enhanced(order, 1, 1, &packet, packet.len()),
        enhanced(order, 0, 1, &packet, packet.len()),
    ]
    .concat();
    let (read, _, counters) = read(&file);
    assert!(read.is_empty());
    let counted: Vec<_> = counters.unread_links.into_iter().collect();
    assert_eq!(counted, [(127, 1), (240, 2)]);
}

#[test]
fn only_segments_to_the_wanted_ports_are_given_and_streams_keep_their_numbers() {
    let (a, b) = ("10.0.0.1:4242", "10.0.0.2:80");
    let packets: Vec<_> = [
        between("10.0.0.1:9", "10.0.0.2:443", 1, b"tls"),
        between(a, b, 1, b"request"),
        between(b, a, 1, b"reply"),
        between(a, b, 8, b""),
    ]
    .iter()
    .map(|segment| Frame::whole(0, ip(segment)))
    .collect();
    let file = pcapng(Order::Little, LinkType::RAW, &packets);
    let mut capture = CaptureFile::new(&file[..])
        .unwrap()
        .with_ports(vec![80, 8080]);
    let found = capture.next_segment().unwrap().unwrap();
    assert_eq!(
        (found.stream, found.segment.payload),
        (StreamNumber(1), &b"request"[..])
    );
    assert!(capture.next_segment().unwrap().is_none());
    let counters = capture.counters();
    assert_eq!((counters.other_port, counters.no_payload), (2, 1));
}
