//! Live capture against the running kernel: real namespaces, real interfaces, real programs.
//!
//! Needs root, `ip` and `tc`, and the kernel half in this build (`cargo xtask build-ebpf`).

#![cfg(test)]

mod beside;
mod checked;
mod held;
mod hurry;
mod killed;
mod lab;
mod log_lines;
mod order;
mod refuse;
mod taps;
mod watch;

use std::net::IpAddr;

use mirror_capture::{Hook, LiveConfig, RingKind};

use lab::{Lab, PORT};
use watch::{Setup, Watch};

const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 0, 2));
const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, 2));

/// Bytes that differ wherever they are cut.
fn payload(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| ((at * 31 + at / 251) % 256).to_le_bytes()[0])
        .collect()
}

/// From one byte to more than any ring record or GSO packet holds.
const SIZES: [usize; 6] = [1, 100, 1_448, 20_000, 70_001, 900_000];

fn captured_whole(hook: Hook, ring: RingKind) {
    let Some(lab) = Lab::new() else { return };
    // Where the client's packets come in, or go out.
    let netns = match hook {
        Hook::Ingress => &lab.server,
        Hook::Egress => &lab.client,
    };
    let mut watch = Watch::start(&Setup {
        hook,
        live: LiveConfig {
            ring,
            ..LiveConfig::default()
        },
        ..Setup::new(netns)
    });
    for server in [V4, V6] {
        for size in SIZES {
            let sent = payload(size);
            let port = lab.send(server, &sent);
            let counters = watch.catch_up();
            assert_eq!(counters.ring_full, 0);
            assert!(counters.balance(), "{counters:?}");
            assert!(watch.stream(port) == Some(sent), "{server}, {size} bytes");
        }
    }
    assert!(
        watch
            .flows()
            .all(|flow| flow.attachment == watch.id.0 && flow.server.port == PORT)
    );
    let counters = watch.capture.counters().unwrap();
    assert!(counters.no_payload > 0, "acknowledgments: {counters:?}");
    assert_eq!(counters.other_port, 0, "the replies take the other hook");
    for reader in &watch.readers {
        assert_eq!(reader.counters.malformed, 0);
    }
}

#[test]
fn ingress_by_bpf_ring() {
    captured_whole(Hook::Ingress, RingKind::Bpf);
}

#[test]
fn ingress_by_perf_ring() {
    captured_whole(Hook::Ingress, RingKind::Perf);
}

#[test]
fn egress_by_bpf_ring() {
    captured_whole(Hook::Egress, RingKind::Bpf);
}

#[test]
fn egress_by_perf_ring() {
    captured_whole(Hook::Egress, RingKind::Perf);
}

#[test]
fn the_threshold_changes_while_it_runs_and_zero_stops_all() {
    let Some(lab) = Lab::new() else { return };
    let mut watch = Watch::start(&Setup::new(&lab.server));
    lab.send(V4, &payload(100));
    let before = watch.catch_up();
    assert!(before.copied >= 3, "SYN, bytes, FIN: {before:?}");

    watch.capture.set_threshold(0).unwrap();
    lab.send(V4, &payload(100));
    let off = watch.catch_up();
    assert_eq!(off.copied, before.copied);
    assert!(off.sampled_out >= 3, "{off:?}");

    watch
        .capture
        .set_threshold(mirror_common::sample::ALWAYS)
        .unwrap();
    let port = lab.send(V4, &payload(100));
    watch.catch_up();
    assert_eq!(watch.stream(port), Some(payload(100)));
}

#[test]
fn connections_are_spread_over_shards_and_none_is_split() {
    let Some(lab) = Lab::new() else { return };
    let mut watch = Watch::start(&Setup {
        live: LiveConfig {
            shards: 3,
            ..LiveConfig::default()
        },
        ..Setup::new(&lab.server)
    });
    assert_eq!(watch.readers.len(), 3);
    // That one of three shards gets none of 40 connections: less than once in three million runs.
    let ports: Vec<_> = (0..40).map(|_| lab.send(V4, &payload(3_000))).collect();
    watch.catch_up();
    for port in ports {
        assert_eq!(watch.stream(port), Some(payload(3_000)));
    }
    assert_eq!(watch.busy_readers(), 3);
}

#[test]
fn a_ring_that_is_too_small_loses_segments_and_says_so() {
    let Some(lab) = Lab::new() else { return };
    let mut watch = Watch::start(&Setup {
        live: LiveConfig {
            ring_bytes: 0,
            ..LiveConfig::default()
        },
        ..Setup::new(&lab.server)
    });
    lab.send(V4, &payload(2_000_000));
    let counters = watch.catch_up();
    assert!(counters.ring_full > 0, "{counters:?}");
    assert!(counters.balance(), "{counters:?}");
}

#[test]
fn frames_without_link_layer_are_captured() {
    let Some(lab) = Lab::new() else { return };
    lab.add_layer3();
    for (hook, netns) in [(Hook::Ingress, &lab.server), (Hook::Egress, &lab.client)] {
        let mut watch = Watch::start(&Setup {
            interface: "l3",
            hook,
            ..Setup::new(netns)
        });
        let port = lab.send(IpAddr::from([10, 10, 0, 2]), &payload(50_000));
        let counters = watch.catch_up();
        assert_eq!(counters.unparsable, [0; 4], "{counters:?}");
        assert!(watch.stream(port) == Some(payload(50_000)), "{hook}");
    }
}
