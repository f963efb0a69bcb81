//! What no kernel would make a request of: one path of Multipath TCP, and addresses of IPv4 in IPv6.

use mirror_common::{
    counter::Counter,
    record::flag::{ACK, FIN, SYN},
};

use crate::{
    bed::{BOTH, Bed},
    frame::{Frame, IPV6, Network},
};

#[test]
fn data_of_multipath_tcp_is_refused_and_an_offer_of_it_is_not() {
    const TIMESTAMPS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    let signal = [&TIMESTAMPS[..], &[30, 8, 0x20, 1, 0, 0, 0, 0]].concat();
    let sack = [&TIMESTAMPS[..], &[1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9]].concat();
    let with = |tcp_options: &[u8], flags, len| Frame {
        tcp_options: tcp_options.to_vec(),
        flags,
        payload: vec![30; len],
        ..Frame::default()
    };
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        for (frame, outcome) in [
            (with(&signal, ACK, 9), Counter::Multipath),
            (with(&signal[12..], ACK, 1400), Counter::Multipath),
            (with(&signal, ACK | FIN, 0), Counter::Copied),
            (with(&signal, SYN, 0), Counter::Copied),
            (with(&signal, ACK, 0), Counter::NoPayload),
            (with(&TIMESTAMPS, ACK, 9), Counter::Copied),
            (with(&sack, ACK, 9), Counter::Copied),
            (with(&[1; 40], ACK, 9), Counter::Copied),
            (with(&[8, 0, 30, 4], ACK, 9), Counter::Copied),
        ] {
            for network in [Frame::default().network, IPV6] {
                let frame = Frame {
                    network,
                    ..frame.clone()
                };
                assert_eq!(bed.run(&frame).count(outcome), 1, "{outcome:?} {frame:?}");
            }
        }
    }
}

#[test]
fn ipv6_with_addresses_of_ipv4_is_refused() {
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1];
    let other = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2];
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        for (source, destination, outcome) in [
            (mapped, other, Counter::ForgedAddress),
            (other, mapped, Counter::ForgedAddress),
            (other, other, Counter::Copied),
        ] {
            let frame = Frame {
                network: Network::V6 {
                    source,
                    destination,
                    extensions: Vec::new(),
                },
                ..Frame::default()
            };
            assert_eq!(bed.run(&frame).count(outcome), 1);
            assert_eq!(bed.run_decap(&frame.bytes()).count(outcome), 1);
        }
    }
}
