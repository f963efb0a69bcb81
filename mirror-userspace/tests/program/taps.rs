//! The program for ports that receive copies: what it copies out of which tunnel, and what it lets go on.

use mirror_common::counter::Counter::Copied;

use crate::{
    bed::Bed,
    frame::{Frame, IPV6},
    tunnel::{OUTERS, TUNNELS},
};

/// What the program returns (`linux/bpf.h`).
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

#[test]
fn the_payload_is_copied_out_of_every_tunnel_and_the_copy_ends_here() {
    let mut bed = Bed::tap(1 << 20);
    for network in [Frame::default().network, IPV6] {
        for len in [1, 18, 600, 1_400, 3_000] {
            let frame = Frame {
                network: network.clone(),
                payload: vec![7; len],
                ..Frame::default()
            };
            for tunnel in TUNNELS {
                for outer in OUTERS {
                    let (verdict, done) = bed.run_tap(&tunnel.around(outer, &frame));
                    let name = tunnel.name;
                    assert_eq!(verdict, XDP_DROP, "{name}");
                    assert_eq!(done.count(Copied), 1, "{name} {outer:?} {done:?}");
                    assert_eq!(done.records[0].payload, frame.payload, "{name}");
                }
            }
        }
    }
}
