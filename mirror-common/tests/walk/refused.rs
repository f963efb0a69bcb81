//! What the walk refuses, and why.

use mirror_common::packet::{
    Link,
    Unparsable::{self, Fragment, Malformed, TooManyHeaders, Truncated},
    Walk, walk,
};

use crate::{
    found::{ipv4, walk_frame},
    frame::{Frame, IPV6, extension, fragment, ipv6_with},
};

#[test]
fn what_cannot_be_followed_has_its_reason() {
    let frame = Frame::default;
    let v6 = |headers| Frame {
        network: ipv6_with(headers),
        ..frame()
    };
    let cases: Vec<(Frame, Unparsable)> = vec![
        (
            Frame {
                version: Some(6),
                ..frame()
            },
            Malformed,
        ),
        (
            Frame {
                network: IPV6,
                version: Some(4),
                ..frame()
            },
            Malformed,
        ),
        (
            Frame {
                network: ipv4(Some(4), 0, 0),
                ..frame()
            },
            Malformed,
        ),
        // The options would reach behind the packet.
        (
            Frame {
                network: ipv4(Some(15), 0, 0),
                payload: vec![],
                ..frame()
            },
            Truncated,
        ),
        (
            Frame {
                ip_len: Some(39),
                ..frame()
            },
            Malformed,
        ),
        (
            Frame {
                ip_len: Some(59),
                ..frame()
            },
            Malformed,
        ),
        (
            Frame {
                network: IPV6,
                ip_len: Some(19),
                ..frame()
            },
            Malformed,
        ),
        (
            Frame {
                network: IPV6,
                ip_len: Some(39),
                ..frame()
            },
            Malformed,
        ),
        (
            Frame {
                data_offset: Some(4),
                ..frame()
            },
            Malformed,
        ),
        (
            Frame {
                data_offset: Some(10),
                ..frame()
            },
            Malformed,
        ),
        (
            Frame {
                network: ipv4(None, 0, 0x2000),
                ..frame()
            },
            Fragment,
        ),
        (
            Frame {
                network: ipv4(None, 0, 0x0001),
                ..frame()
            },
            Fragment,
        ),
        (
            Frame {
                network: ipv4(None, 0, 0x3fff),
                ..frame()
            },
            Fragment,
        ),
        (v6(vec![fragment(0x0001)]), Fragment),
        (v6(vec![fragment(0x0008)]), Fragment),
        (v6(vec![extension(0, 8), fragment(0x0009)]), Fragment),
        (v6(vec![fragment(0x0001), extension(60, 8)]), Fragment),
        (v6(vec![extension(60, 8); 7]), TooManyHeaders),
    ];
    for (frame, reason) in cases {
        assert_eq!(walk_frame(&frame), Walk::Unparsable(reason), "{frame:?}");
    }
}

#[test]
fn other_protocols_are_not_tcp() {
    let frame = Frame::default;
    let mut arp = frame().bytes();
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    assert_eq!(walk(arp.as_slice(), Link::Ethernet), Walk::NotTcp);
    let cases = [
        Frame {
            protocol: 17,
            ..frame()
        },
        Frame {
            protocol: 17,
            network: ipv4(None, 0, 0x2000),
            ..frame()
        },
        Frame {
            protocol: 58,
            network: IPV6,
            ..frame()
        },
        Frame {
            protocol: 59,
            network: IPV6,
            ..frame()
        },
        Frame {
            protocol: 17,
            network: ipv6_with(vec![extension(0, 8)]),
            ..frame()
        },
        Frame {
            protocol: 17,
            network: ipv6_with(vec![fragment(1)]),
            ..frame()
        },
        Frame {
            vlans: vec![0x8100; 3],
            ..frame()
        },
        Frame {
            ethernet: false,
            version: Some(5),
            ..frame()
        },
    ];
    for frame in cases {
        assert_eq!(walk_frame(&frame), Walk::NotTcp, "{frame:?}");
    }
}
