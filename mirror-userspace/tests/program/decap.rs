//! The program that takes tunnels off at a pod's hooks: what it copies out of which, and what it leaves.

use mirror_common::{
    counter::Counter::{Copied, NotTcp, OtherPort, SampledOut, Seen},
    packet::{
        Tunnels,
        Unparsable::{Malformed, Truncated},
    },
    record::SocketState,
    sample::ALWAYS,
};

use crate::{
    bed::{BOTH, Bed, Done, decap_program, program, reply_program, segment},
    frame::{Frame, IPV4, IPV6},
    tunnel::{OUTERS, Outer, TUNNELS, VXLAN},
};

#[track_caller]
fn assert_copied(done: &Done, frame: &Frame, what: &str) {
    assert_eq!(done.count(Copied), 1, "{what}: {done:?}");
    let [record] = done.records.as_slice() else {
        panic!("{what}: {} records", done.records.len())
    };
    assert!(record.payload == frame.payload, "{what}: other bytes");
    let header = &record.header;
    assert_eq!(header.segment_len as usize, frame.payload.len());
    assert_eq!(header.destination_port, frame.destination_port);
    assert_eq!(header.source[15], 1, "{what}: the inner addresses");
    assert_eq!(header.destination[15], 2);
    assert_eq!(header.socket, SocketState::NotAsked as u32);
}

#[test]
fn the_payload_is_copied_out_of_every_tunnel() {
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        // There is nobody to be asked.
        bed.set(|settings| settings.ask_kernel = 1);
        for network in [IPV4, IPV6] {
            for len in [1, 18, 1_400] {
                let frame = Frame {
                    network: network.clone(),
                    ..segment(len)
                };
                assert_copied(&bed.run_decap(&frame.bytes()), &frame, "in none");
                for tunnel in TUNNELS {
                    for outer in OUTERS {
                        let once = tunnel.around(outer, &frame);
                        let twice = VXLAN.around_bytes(Outer::V4, false, &once);
                        for bytes in [&once, &twice] {
                            assert_copied(&bed.run_decap(bytes), &frame, tunnel.name);
                        }
                        let done = bed.run_times(&once, 1);
                        assert_eq!(done.count(NotTcp), 1, "not asked for: {}", tunnel.name);
                    }
                }
            }
        }
    }
}

#[test]
fn every_way_has_its_counter() {
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        let other_port = Frame {
            destination_port: 81,
            ..segment(9)
        };
        for tunnel in TUNNELS {
            for (frame, threshold, outcome) in [
                (&segment(9), ALWAYS, Copied),
                (&other_port, ALWAYS, OtherPort),
                (&segment(9), 1, SampledOut),
            ] {
                bed.set(|settings| settings.threshold = threshold);
                let done = bed.run_decap(&tunnel.around(Outer::V6, frame));
                assert_eq!(done.count(outcome), 1, "{}: {done:?}", tunnel.name);
            }
        }
        bed.set(|settings| {
            settings.threshold = ALWAYS;
            settings.tunnels = Tunnels {
                vxlan: 8472,
                geneve: 0,
            };
        });
        let done = bed.run_decap(&VXLAN.around(Outer::V4, &segment(9)));
        assert_eq!((done.count(NotTcp), done.count(Seen)), (1, 0));
    }
}

#[test]
fn cut_and_hostile_frames_are_counted_and_copy_nothing() {
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        for tunnel in TUNNELS {
            for outer in [Outer::V4, Outer::V6Limit] {
                let whole = tunnel.around(outer, &segment(1));
                // A test run takes a whole IP header at least.
                for len in 14 + 40..whole.len() {
                    let done = bed.run_decap(&whole[..len]);
                    let refused = done.unparsable(Truncated) + done.unparsable(Malformed);
                    assert_eq!(refused, 1, "{len} bytes of {}: {done:?}", tunnel.name);
                    assert!(done.records.is_empty());
                }
            }
        }
    }
}

#[test]
fn the_verifier_has_few_ways_to_follow() {
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        for (name, program) in [
            ("mirror", program as fn(&mut _) -> &mut _),
            ("replies", reply_program),
            ("decap", decap_program),
        ] {
            let info = program(&mut bed.ebpf).info().unwrap();
            // Not known before Linux 5.16. It gives up at a million, of which half is left for other versions.
            let followed = info.verified_instruction_count().unwrap_or_default();
            println!("{kind} {name}: {followed} instructions followed");
            assert!(followed < 500_000, "{kind} {name}: {followed}");
        }
    }
}
