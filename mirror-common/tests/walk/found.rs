//! What the walk finds in right frames.

use mirror_common::packet::{Link, TcpSegment, Unparsable::Malformed, Walk, walk};

use crate::frame::{Frame, IPV4, IPV6, Network, extension, fragment, ipv6_with};

pub(crate) fn walk_frame(frame: &Frame) -> Walk {
    let link = if frame.ethernet {
        Link::Ethernet
    } else {
        Link::Ip
    };
    walk(frame.bytes().as_slice(), link)
}

#[track_caller]
pub(crate) fn segment(frame: &Frame) -> TcpSegment {
    match walk_frame(frame) {
        Walk::Tcp(segment) => segment,
        other => panic!("{other:?} of {frame:?}"),
    }
}

pub(crate) fn ipv4(header_len: Option<u8>, options: usize, fragment: u16) -> Network {
    Network::V4 {
        source: [10, 0, 0, 1],
        destination: [10, 0, 0, 2],
        header_len,
        options: vec![1; options],
        fragment,
    }
}

/// Frames that hold the same segment, and where its payload begins in each.
pub(crate) fn whole() -> Vec<(Frame, usize)> {
    let frame = Frame::default;
    let v6 = |headers| ipv6_with(headers);
    vec![
        (frame(), 54),
        (
            Frame {
                vlans: vec![0x8100],
                ..frame()
            },
            58,
        ),
        (
            Frame {
                vlans: vec![0x88a8],
                ..frame()
            },
            58,
        ),
        (
            Frame {
                vlans: vec![0x88a8, 0x8100],
                ..frame()
            },
            62,
        ),
        (
            Frame {
                ethernet: false,
                ..frame()
            },
            40,
        ),
        (
            Frame {
                network: ipv4(None, 40, 0),
                ..frame()
            },
            94,
        ),
        (
            Frame {
                tcp_options: vec![1; 40],
                ..frame()
            },
            94,
        ),
        (
            Frame {
                padding: 6,
                ..frame()
            },
            54,
        ),
        (
            Frame {
                network: IPV6,
                ..frame()
            },
            74,
        ),
        (
            Frame {
                network: IPV6,
                ethernet: false,
                ..frame()
            },
            60,
        ),
        (
            Frame {
                network: IPV6,
                vlans: vec![0x8100, 0x8100],
                ..frame()
            },
            82,
        ),
        (
            Frame {
                network: IPV6,
                padding: 20,
                ..frame()
            },
            74,
        ),
        (
            Frame {
                network: v6(vec![extension(0, 8)]),
                ..frame()
            },
            82,
        ),
        (
            Frame {
                network: v6(vec![extension(43, 24)]),
                ..frame()
            },
            98,
        ),
        (
            Frame {
                network: v6(vec![extension(60, 2048)]),
                ..frame()
            },
            2122,
        ),
        (
            Frame {
                network: v6(vec![extension(51, 28)]),
                ..frame()
            },
            102,
        ),
        (
            Frame {
                network: v6(vec![fragment(0)]),
                ..frame()
            },
            82,
        ),
        (
            Frame {
                network: v6(vec![
                    extension(0, 8),
                    extension(60, 16),
                    extension(43, 8),
                    fragment(0),
                    extension(51, 12),
                    extension(60, 8),
                ]),
                ..frame()
            },
            134,
        ),
    ]
}

#[test]
fn the_payload_is_found_behind_every_chain_of_headers() {
    for (frame, offset) in whole() {
        let found = segment(&frame);
        assert_eq!(found.payload_offset, offset, "{frame:?}");
        assert_eq!(found.payload_len, frame.payload.len(), "{frame:?}");
        assert_eq!(found.source_port, 40_000);
        assert_eq!(found.destination_port, 8080);
        assert_eq!(found.sequence, 0x0102_0304);
        assert_eq!(found.acknowledgment, 0x0506_0708);
        assert_eq!(found.flags, 0x18);
        let addresses = found.addresses(frame.bytes().as_slice()).unwrap();
        match frame.network {
            Network::V4 { .. } => {
                let mapped = |d| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, d];
                assert_eq!(addresses.source(), mapped(1));
                assert_eq!(addresses.destination(), mapped(2));
            }
            Network::V6 {
                source,
                destination,
                ..
            } => {
                assert_eq!(addresses.source(), source);
                assert_eq!(addresses.destination(), destination);
            }
        }
    }
}

#[test]
fn flags_and_the_urgent_pointer_are_read() {
    let found = segment(&Frame {
        flags: 0xa5,
        urgent: 0x1234,
        ..Frame::default()
    });
    assert_eq!((found.flags, found.urgent), (0xa5, 0x1234));
}

#[test]
fn big_tcp_takes_the_length_of_the_packet() {
    for network in [IPV4, IPV6] {
        let frame = Frame {
            network,
            payload: vec![7; 400_000],
            ..Frame::default()
        };
        assert_eq!(segment(&frame).payload_len, 400_000);
        let frame = Frame {
            payload: vec![7; 8 * 65_536],
            ..frame
        };
        assert_eq!(segment(&frame).payload_len, 8 * 65_536);
        let frame = Frame {
            payload: vec![7; 8 * 65_536 + 1],
            ..frame
        };
        assert_eq!(walk_frame(&frame), Walk::Unparsable(Malformed));
    }
}

#[test]
fn only_what_is_too_long_for_its_length_field_may_lack_it() {
    for (network, header) in [(IPV4, 20), (IPV6, 40)] {
        let frame = |payload: usize| Frame {
            network: network.clone(),
            ip_len: Some(0),
            payload: vec![b'x'; payload],
            ..Frame::default()
        };
        for payload in [0, 1, 1_460, 65_535 - 20 - header] {
            assert_eq!(
                walk_frame(&frame(payload)),
                Walk::Unparsable(Malformed),
                "{payload}"
            );
        }
        for payload in [65_536 - 20 - header, 200_000] {
            assert_eq!(segment(&frame(payload)).payload_len, payload);
        }
    }
}

#[test]
fn addresses_that_pass_for_those_of_ipv4_are_told() {
    let mut mapped = [0; 16];
    mapped[10..].copy_from_slice(&[0xff, 0xff, 10, 0, 0, 1]);
    let mut compatible = mapped;
    compatible[10] = 0;
    let other = [0xfd; 16];
    for (source, destination, expected) in [
        (mapped, other, true),
        (other, mapped, true),
        (other, other, false),
        (compatible, other, false),
        ([0; 16], other, false),
    ] {
        let frame = Frame {
            network: Network::V6 {
                source,
                destination,
                extensions: Vec::new(),
            },
            ..Frame::default()
        };
        let addresses = segment(&frame).addresses(frame.bytes().as_slice());
        assert_eq!(addresses.unwrap().pass_for_ipv4(), expected);
    }
}

#[test]
fn the_option_of_multipath_tcp_is_found_among_all_others() {
    const TIMESTAMPS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    let sack = [&TIMESTAMPS[..], &[1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9]].concat();
    let padded = [&[1; 36][..], &[30, 4, 0, 0]].concat();
    let multipath = |before: &[u8]| [before, &[30, 4, 0x20, 0]].concat();
    for (options, usual, found) in [
        (vec![], true, false),
        (TIMESTAMPS.to_vec(), true, false),
        (sack.clone(), false, false),
        (vec![1; 40], false, false),
        (multipath(&[]), false, true),
        (multipath(&TIMESTAMPS), false, true),
        (multipath(&sack), false, true),
        (padded, false, true),
        // Behind the end, or inside of another one.
        (vec![0, 30, 4, 0], false, false),
        (vec![254, 4, 30, 4], false, false),
        // Lengths that are none: nothing behind them is an option.
        (vec![8, 0, 30, 4], false, false),
        (vec![8, 1, 30, 4], false, false),
        (vec![8, 255, 30, 4], false, false),
    ] {
        let frame = Frame {
            tcp_options: options,
            payload: vec![30; 9],
            ..Frame::default()
        };
        let bytes = frame.bytes();
        let segment = segment(&frame);
        let what = format!("{:?}", frame.tcp_options);
        assert_eq!(segment.options_len, frame.tcp_options.len(), "{what}");
        assert_eq!(segment.has_usual_options(&*bytes), usual, "{what}");
        assert_eq!(segment.has_multipath_option(&*bytes), found, "{what}");
    }
}
