//! Tunnels are taken off, whatever is in them, and never give bytes outside of the packet.

use mirror_common::packet::{
    Inside, Link, Opened, TcpSegment, Tunnels,
    Unparsable::{self, Fragment, Malformed, Truncated},
    Walk, open, walk, walk_inside,
};

use crate::{
    found::{segment, whole},
    frame::{Frame, IPV6, Network},
    hostile::Random,
    tunnel::{OUTERS, Outer, TUNNELS, Tunnel, VXLAN},
};

fn inside(bytes: &[u8]) -> Inside {
    walk_inside(bytes, Link::Ethernet, Tunnels::default())
}

#[track_caller]
fn found(bytes: &[u8], tunnels: usize) -> TcpSegment {
    match inside(bytes) {
        Inside {
            tunnels: off,
            found: Walk::Tcp(segment),
        } if off == tunnels => segment,
        other => panic!("{other:?}"),
    }
}

fn refused(bytes: &[u8]) -> Option<Unparsable> {
    match inside(bytes).found {
        Walk::Unparsable(reason) => Some(reason),
        _ => None,
    }
}

/// The segment is the one of the frame, further behind.
#[track_caller]
fn assert_same(found: TcpSegment, bytes: &[u8], frame: &Frame) {
    let plain = segment(frame);
    let moved = found.payload_offset - plain.payload_offset;
    let expected = TcpSegment {
        network_offset: plain.network_offset + moved,
        payload_offset: plain.payload_offset + moved,
        ..plain
    };
    assert_eq!(found, expected, "{frame:?}");
    let payload = &bytes[found.payload_offset..][..found.payload_len];
    assert_eq!(payload, frame.payload);
    assert_eq!(
        found.addresses(bytes),
        plain.addresses(frame.bytes().as_slice())
    );
}

#[test]
fn what_a_tunnel_carries_is_found() {
    for (frame, _) in whole() {
        for tunnel in TUNNELS {
            for outer in OUTERS {
                let bytes = tunnel.around(outer, &frame);
                assert_same(found(&bytes, 1), &bytes, &frame);
            }
        }
    }
}

#[test]
fn two_tunnels_are_taken_off_and_a_third_is_not() {
    let frame = Frame::default();
    for inner in TUNNELS {
        let once = inner.around(Outer::V4, &frame);
        for (outer, carrier) in [
            (VXLAN, Outer::V4),
            (VXLAN, Outer::V6),
            (TUNNELS[5], Outer::V4),
        ] {
            let twice = outer.around_bytes(carrier, false, &once);
            assert_same(found(&twice, 2), &twice, &frame);
            let thrice = VXLAN.around_bytes(Outer::V4, false, &twice);
            let walked = inside(&thrice);
            assert_eq!((walked.tunnels, walked.found), (2, Walk::NotTcp));
        }
    }
}

#[test]
fn without_a_tunnel_it_is_the_plain_walk() {
    for (frame, _) in whole() {
        let bytes = frame.bytes();
        let link = if frame.ethernet {
            Link::Ethernet
        } else {
            Link::Ip
        };
        let walked = walk_inside(bytes.as_slice(), link, Tunnels::default());
        assert_eq!(walked.tunnels, 0);
        assert_eq!(walked.found, walk(bytes.as_slice(), link), "{frame:?}");
    }
}

#[test]
fn a_port_that_is_no_tunnel_is_not_taken_off() {
    let off = |port: u16, ports: Tunnels| {
        let mut bytes = VXLAN.around(Outer::V4, &Frame::default());
        bytes[36..38].copy_from_slice(&port.to_be_bytes());
        let walked = walk_inside(bytes.as_slice(), Link::Ethernet, ports);
        assert_eq!(walked.tunnels == 1, walked.found != Walk::NotTcp);
        walked.tunnels == 1
    };
    let none = Tunnels {
        vxlan: 0,
        geneve: 0,
    };
    let other = Tunnels {
        vxlan: 8472,
        geneve: 0,
    };
    assert!(off(4789, Tunnels::default()) && !off(4789, none) && !off(0, none));
    assert!(off(8472, other) && !off(4789, other) && !off(8472, Tunnels::default()));
}

/// One byte of a tunnel's frame, changed.
fn with(tunnel: Tunnel, at: usize, value: u8) -> Vec<u8> {
    let mut bytes = tunnel.around(Outer::V4, &Frame::default());
    bytes[at] = value;
    bytes
}

#[test]
fn what_is_no_frame_of_a_tenant_is_not_looked_into() {
    let [.., iii, _, _] = TUNNELS;
    for (what, bytes) in [
        ("VXLAN without a valid network", with(VXLAN, 42, 0)),
        ("a version of Geneve to come", with(TUNNELS[1], 42, 0x40)),
        ("a control packet of Geneve", with(TUNNELS[1], 43, 0x80)),
        ("Geneve of another protocol", with(TUNNELS[1], 45, 0x59)),
        ("PPTP", with(TUNNELS[3], 35, 1)),
        ("GRE of another protocol", with(TUNNELS[3], 36, 0x88)),
        ("ERSPAN III of another frame type", with(iii, 52, 1 << 2)),
    ] {
        let walked = inside(&bytes);
        assert_eq!((walked.tunnels, walked.found), (0, Walk::NotTcp), "{what}");
    }
    let routed = with(TUNNELS[3], 34, 0x40);
    assert_eq!(refused(&routed), Some(Malformed), "source routes");
}

#[test]
fn other_things_in_a_tunnel_are_not_tcp() {
    let udp = Frame {
        protocol: 17,
        ..Frame::default()
    };
    for tunnel in TUNNELS {
        let walked = inside(&tunnel.around(Outer::V4, &udp));
        assert_eq!((walked.tunnels, walked.found), (1, Walk::NotTcp));
    }
    // An ARP request in VXLAN.
    let mut arp = vec![0xff; 12];
    arp.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    let walked = inside(&VXLAN.around_bytes(Outer::V4, false, &arp));
    assert_eq!((walked.tunnels, walked.found), (1, Walk::NotTcp));
}

#[test]
fn a_fragment_of_the_outer_packet_is_no_frame() {
    for tunnel in TUNNELS {
        let mut bytes = tunnel.around(Outer::V4, &Frame::default());
        bytes[20] = 0x20;
        assert_eq!(refused(&bytes), Some(Fragment), "{}", tunnel.name);
    }
    // TCP beside the tunnels is what it was.
    let plain = Frame {
        network: Network::V4 {
            source: [10, 0, 0, 1],
            destination: [10, 0, 0, 2],
            header_len: None,
            options: Vec::new(),
            fragment: 0x2000,
        },
        ..Frame::default()
    };
    assert_eq!(refused(&plain.bytes()), Some(Fragment));
}

#[test]
fn an_inner_length_beyond_the_outer_packet_is_refused() {
    for frame in [
        Frame::default(),
        Frame {
            network: IPV6,
            ..Frame::default()
        },
    ] {
        for tunnel in TUNNELS {
            let long = Frame {
                ip_len: Some(1_400),
                ..frame.clone()
            };
            let mut bytes = tunnel.around(Outer::V4, &long);
            assert_eq!(refused(&bytes), Some(Malformed), "{}", tunnel.name);
            // Nor may it take what lies behind the outer packet.
            bytes.resize(bytes.len() + 2_000, 0xee);
            assert_eq!(refused(&bytes), Some(Malformed), "{}", tunnel.name);
        }
    }
}

#[test]
fn an_inner_packet_without_a_length_is_refused() {
    let frame = Frame {
        ip_len: Some(0),
        ..Frame::default()
    };
    let bytes = VXLAN.around(Outer::V4, &frame);
    assert_eq!(refused(&bytes), Some(Malformed));
}

#[test]
fn one_tunnel_at_a_time_is_taken_off_by_opening() {
    let frame = Frame::default();
    for tunnel in TUNNELS {
        for outer in OUTERS {
            let mut bytes = tunnel.around(outer, &frame);
            let whole = bytes.len();
            bytes.resize(whole + 40, 0xee);
            let packet = &bytes[14..];
            let opened = open(packet, Tunnels::default());
            let Opened::Tunnel { begins, content } = opened else {
                panic!("{opened:?} of {}", tunnel.name)
            };
            assert_eq!(content.end, whole - 14, "{}: no padding", tunnel.name);
            let inner = &packet[content];
            let Walk::Tcp(found) = walk(inner, begins) else {
                panic!("{} in {outer:?}", tunnel.name)
            };
            assert_eq!(&inner[found.payload_offset..], frame.payload);
            assert_eq!(open(inner, Tunnels::default()), Opened::Closed);
            for len in 0..whole - 14 {
                let cut = open(&packet[..len], Tunnels::default());
                assert!(
                    !matches!(cut, Opened::Tunnel { .. }),
                    "{len} bytes of {}",
                    tunnel.name
                );
            }
        }
    }
}

#[test]
fn a_tunnel_cut_anywhere_gives_no_bytes_outside_of_it() {
    for tunnel in TUNNELS {
        for outer in OUTERS {
            let bytes = tunnel.around(outer, &Frame::default());
            for len in 0..bytes.len() {
                let walked = inside(&bytes[..len]).found;
                assert!(
                    matches!(walked, Walk::Unparsable(Truncated | Malformed)),
                    "{walked:?} of {len} bytes of {}",
                    tunnel.name
                );
            }
        }
    }
}

#[test]
fn whatever_the_tunnels_bytes_the_payload_stays_within_the_packet() {
    let seed = 0x7475_6e6e_656c_7321;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let frames = whole();
    let (mut segments, mut deep, mut refused) = (0, 0, 0);
    for _ in 0..200_000 {
        let (frame, _) = &frames[random.below(frames.len())];
        let tunnel = TUNNELS[random.below(TUNNELS.len())];
        let mut bytes = tunnel.around(OUTERS[random.below(OUTERS.len())], frame);
        if random.below(2) == 0 {
            bytes = VXLAN.around_bytes(Outer::V4, false, &bytes);
        }
        let headers = bytes.len().min(256);
        for _ in 0..=random.below(4) {
            bytes[random.below(headers)] = random.next().to_le_bytes()[0];
        }
        bytes.truncate(random.below(bytes.len() * 4).min(bytes.len()));
        let walked = inside(&bytes);
        match walked.found {
            Walk::Tcp(found) => {
                segments += 1;
                deep += usize::from(walked.tunnels == 2);
                assert!(found.payload_offset + found.payload_len <= bytes.len());
                assert!(found.addresses(bytes.as_slice()).is_some());
            }
            Walk::Unparsable(_) => refused += 1,
            Walk::NotTcp => {}
        }
    }
    assert!(
        segments > 1000 && deep > 500 && refused > 1000,
        "{segments} {deep} {refused}"
    );
}
