//! The program for ports that receive copies: what it copies out of which tunnel, and what it lets go
//! on.

use mirror_common::{
    counter::Counter::{self, Copied, NoPayload, NotTcp, OtherPort, RingFull, SampledOut},
    packet::{
        Tunnels,
        Unparsable::{Fragment, Malformed, Truncated},
    },
    settings::TapSettings,
};

use crate::{
    bed::{Bed, Done, tap_program},
    frame::{Frame, IPV6, extension, ipv6_with},
    tunnel::{OUTERS, Outer, TUNNELS, VXLAN},
};

/// What the program returns (`linux/bpf.h`).
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

/// The Ethernet destination of [`Frame`]s, and of tunnels.
const PLAIN: [u8; 6] = [2; 6];
const TUNNEL: [u8; 6] = [4; 6];

fn bytes(len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| (i * 31 + i / 251).to_le_bytes()[0])
        .collect()
}

/// A port with this Ethernet address.
fn port(own: [u8; 6]) -> TapSettings {
    TapSettings {
        own,
        ..TapSettings::default()
    }
}

#[track_caller]
fn assert_copied(done: &Done, frame: &Frame) {
    assert_eq!(done.count(Copied), 1, "{done:?}");
    let payload: Vec<u8> = done
        .records
        .iter()
        .flat_map(|record| record.payload.clone())
        .collect();
    assert!(payload == frame.payload, "{frame:?}: other bytes");
    for record in &done.records {
        assert_eq!(record.header.segment_len as usize, payload.len());
        assert_eq!(record.header.destination_port, frame.destination_port);
        assert_eq!(record.header.source[15], 1, "the inner addresses");
        assert_eq!(record.header.destination[15], 2);
    }
}

#[test]
fn the_payload_is_copied_out_of_every_tunnel_and_the_copy_ends_there() {
    let Some(mut bed) = Bed::tap(1 << 20) else {
        return;
    };
    // The tunnel's end is this port itself.
    bed.set_tap(port(TUNNEL));
    for network in [Frame::default().network, IPV6] {
        for len in [1, 18, 600, 1_400, 3_000] {
            let frame = Frame {
                network: network.clone(),
                payload: bytes(len),
                ..Frame::default()
            };
            for tunnel in TUNNELS {
                for outer in OUTERS {
                    let once = tunnel.around(outer, &frame);
                    let twice = VXLAN.around_bytes(Outer::V4, false, &once);
                    for bytes in [once, twice] {
                        let (verdict, done) = bed.run_tap(&bytes);
                        assert_eq!(verdict, XDP_DROP, "{}", tunnel.name);
                        assert_copied(&done, &frame);
                    }
                }
            }
        }
    }
}

#[test]
fn frames_of_several_buffers_are_copied_whole() {
    let Some(mut bed) = Bed::tap(1 << 20) else {
        return;
    };
    for len in [3_300, 3_500, 4_096, 8_900, 16_385, 60_000] {
        let frame = Frame {
            payload: bytes(len),
            ..Frame::default()
        };
        for bytes in [frame.bytes(), VXLAN.around(Outer::V6, &frame)] {
            let (verdict, done) = bed.run_tap(&bytes);
            assert_eq!(verdict, XDP_DROP);
            assert_copied(&done, &frame);
        }
    }
    // Headers behind what is read directly, and in another buffer than the first.
    for chain in [vec![256], vec![2048], vec![2048, 2048, 512]] {
        let headers = chain.into_iter().map(|len| extension(60, len)).collect();
        let frame = Frame {
            network: ipv6_with(headers),
            payload: bytes(5_000),
            ..Frame::default()
        };
        for bytes in [frame.bytes(), VXLAN.around(Outer::V4, &frame)] {
            assert_copied(&bed.run_tap(&bytes).1, &frame);
        }
    }
}

#[test]
fn what_is_for_others_ends_and_what_is_for_this_port_goes_on() {
    let Some(mut bed) = Bed::tap(1 << 20) else {
        return;
    };
    let tcp = Frame::default();
    let to_other_port = Frame {
        destination_port: 22,
        ..Frame::default()
    };
    let datagram = Frame {
        protocol: 17,
        ..Frame::default()
    };
    let mut arp = vec![0xff; 6];
    arp.extend([2; 6]);
    arp.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    arp.resize(60, 0);
    let mut multicast = tcp.bytes();
    multicast[..6].copy_from_slice(&[0x33, 0x33, 0, 0, 0, 1]);
    let copies = [tcp.bytes(), to_other_port.bytes(), datagram.bytes()];
    for bytes in &copies {
        // Of a SPAN port all frames are for others; of traffic for the port none is a copy.
        for (own, verdict) in [([6; 6], XDP_DROP), (PLAIN, XDP_PASS)] {
            bed.set_tap(port(own));
            assert_eq!(bed.run_tap(bytes).0, verdict);
        }
    }
    bed.set_tap(port([6; 6]));
    for bytes in [&arp, &multicast] {
        assert_eq!(bed.run_tap(bytes).0, XDP_PASS, "for all, and so for us");
    }
    for inner in [&arp, &datagram.bytes()] {
        let tunnel = VXLAN.around_bytes(Outer::V4, false, inner);
        for own in [TUNNEL, [6; 6]] {
            bed.set_tap(port(own));
            let (verdict, done) = bed.run_tap(&tunnel);
            assert_eq!((verdict, done.count(NotTcp)), (XDP_DROP, 1));
        }
    }
    let pass = TapSettings {
        pass: 1,
        ..port([6; 6])
    };
    bed.set_tap(pass);
    for bytes in copies.iter().chain([&VXLAN.around(Outer::V4, &tcp)]) {
        assert_eq!(bed.run_tap(bytes).0, XDP_PASS, "--pass");
    }
}

#[test]
fn tunnels_of_other_ports_are_not_taken_off() {
    let Some(mut bed) = Bed::tap(1 << 20) else {
        return;
    };
    let mut bytes = VXLAN.around(Outer::V4, &Frame::default());
    let expect = |bed: &mut Bed, bytes: &[u8], vxlan, outcome: (u32, Counter)| {
        bed.set_tap(port(TUNNEL));
        bed.set(|settings| settings.tunnels = Tunnels { vxlan, geneve: 0 });
        let (verdict, done) = bed.run_tap(bytes);
        assert_eq!((verdict, done.count(outcome.1)), (outcome.0, 1));
    };
    expect(&mut bed, &bytes, 4789, (XDP_DROP, Copied));
    expect(&mut bed, &bytes, 8472, (XDP_PASS, NotTcp));
    expect(&mut bed, &bytes, 0, (XDP_PASS, NotTcp));
    bytes[36..38].copy_from_slice(&8472_u16.to_be_bytes());
    expect(&mut bed, &bytes, 8472, (XDP_DROP, Copied));
}

#[test]
fn every_way_has_its_counter_in_a_tunnel_too() {
    let Some(mut bed) = Bed::tap(1 << 20) else {
        return;
    };
    let frame = Frame::default;
    let no_payload = Frame {
        payload: Vec::new(),
        ..frame()
    };
    let other_port = Frame {
        destination_port: 81,
        ..frame()
    };
    for tunnel in TUNNELS {
        let mut expect = |frame: &Frame, threshold, outcome| {
            bed.set(|settings| settings.threshold = threshold);
            let (verdict, done) = bed.run_tap(&tunnel.around(Outer::V4, frame));
            assert_eq!(verdict, XDP_DROP, "{}: {outcome:?}", tunnel.name);
            assert_eq!(done.count(outcome), 1, "{}: {done:?}", tunnel.name);
            let copied = usize::from(matches!(outcome, Copied));
            assert_eq!(done.records.len(), copied);
        };
        let all = mirror_common::sample::ALWAYS;
        expect(&frame(), all, Copied);
        expect(&no_payload, all, NoPayload);
        expect(&other_port, all, OtherPort);
        expect(&frame(), 0, SampledOut);
        expect(&frame(), 1, SampledOut);
    }
}

#[test]
fn cut_and_hostile_frames_are_counted_and_copy_nothing() {
    let Some(mut bed) = Bed::tap(1 << 20) else {
        return;
    };
    for tunnel in TUNNELS {
        for outer in OUTERS {
            let whole = tunnel.around(outer, &Frame::default());
            // The least that a test run takes is an Ethernet header.
            for len in 14..whole.len() {
                let (_, done) = bed.run_tap(&whole[..len]);
                let refused = done.unparsable(Truncated) + done.unparsable(Malformed);
                assert_eq!(refused, 1, "{len} bytes of {}: {done:?}", tunnel.name);
                assert!(done.records.is_empty());
            }
            for ip_len in [1_400, u16::MAX] {
                let long = Frame {
                    ip_len: Some(ip_len),
                    ..Frame::default()
                };
                let mut bytes = tunnel.around(outer, &long);
                bytes.resize(bytes.len() + 2_000, 0xee);
                let (_, done) = bed.run_tap(&bytes);
                assert_eq!(done.unparsable(Malformed), 1, "{}", tunnel.name);
            }
        }
        let mut fragment = tunnel.around(Outer::V4, &Frame::default());
        fragment[20] = 0x20;
        let (_, done) = bed.run_tap(&fragment);
        assert_eq!(done.unparsable(Fragment), 1, "{}", tunnel.name);
    }
}

#[test]
fn a_full_ring_loses_copies_and_says_how_many() {
    let Some(mut bed) = Bed::tap(4096) else {
        return;
    };
    let bytes = VXLAN.around(Outer::V4, &Frame::default());
    let before = bed.counters();
    let verdicts: Vec<u32> = (0..100).map(|_| bed.send_tap(&bytes)).collect();
    assert!(verdicts.iter().all(|&verdict| verdict == XDP_DROP));
    let done = bed.done_since(&before);
    let (copied, lost) = (done.count(Copied), done.count(RingFull));
    assert_eq!(copied + lost, 100);
    assert!(copied > 0 && lost > 0, "{copied} copied, {lost} lost");
    assert_eq!(done.records.len() as u64, copied);
}

#[test]
fn the_verifier_has_few_ways_to_follow() {
    let Some(mut bed) = Bed::tap(1 << 16) else {
        return;
    };
    let info = tap_program(&mut bed.ebpf).info().unwrap();
    // Not known before Linux 5.16. It gives up at a million, of which half is left for other versions.
    let followed = info.verified_instruction_count().unwrap_or_default();
    println!("{followed} instructions followed");
    assert!(followed < 500_000, "{followed}");
}
