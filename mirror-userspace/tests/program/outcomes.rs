//! Each way that a frame can go, and its counter.

use aya::{
    maps::{MapData, RingBuf},
    util::nr_cpus,
};
use mirror_capture::object::RingKind;
use mirror_common::{
    counter::Counter::{self, Copied, NoPayload, NotTcp, OtherPort, RingFull, SampledOut},
    packet::Unparsable::{self, Fragment, Malformed, TooManyHeaders, Truncated},
    record::flag::{ACK, FIN, RST, SYN},
    sample::{ALWAYS, Secret, client_hash, connection_hash},
    settings::{SampleKey, Settings},
};

use crate::{
    bed::{BOTH, Bed},
    frame::{Frame, IPV6, Network, extension, fragment, ipv6_with},
};

fn ipv4(header_len: Option<u8>, options: usize, fragment: u16) -> Network {
    Network::V4 {
        source: [10, 0, 0, 1],
        destination: [10, 0, 0, 2],
        header_len,
        options: vec![1; options],
        fragment,
    }
}

/// A program for each kind of ring.
struct Beds([Bed; 2]);

impl Beds {
    fn new() -> Self {
        Self(BOTH.map(Bed::new))
    }

    /// Runs the frame under the bed's settings with this change, and expects this one outcome,
    /// with this many records.
    #[track_caller]
    fn expect(
        &mut self,
        outcome: Counter,
        records: usize,
        frame: &Frame,
        change: impl Fn(&mut Settings),
    ) {
        for bed in &mut self.0 {
            let settings = bed.settings;
            bed.set(&change);
            let done = bed.run(frame);
            assert_eq!(done.count(outcome), 1, "{outcome:?}, {frame:?}: {done:?}");
            assert_eq!(done.records.len(), records, "{frame:?}");
            bed.set(|changed| *changed = settings);
        }
    }
}

#[test]
fn other_ports_are_counted_and_left() {
    let mut beds = Beds::new();
    let frame = Frame::default;
    for port in [0, 80, 8079, 8081, 0x901f] {
        beds.expect(
            OtherPort,
            0,
            &Frame {
                destination_port: port,
                ..frame()
            },
            |_| {},
        );
    }
    // The port is the destination's: replies are no requests.
    let reply = Frame {
        source_port: 8080,
        destination_port: 40_000,
        ..frame()
    };
    beds.expect(OtherPort, 0, &reply, |_| {});
    beds.expect(
        OtherPort,
        0,
        &Frame {
            network: IPV6,
            destination_port: 1,
            ..frame()
        },
        |_| {},
    );
    beds.expect(OtherPort, 0, &frame(), |settings| settings.ports = [0; 16]);
    beds.expect(Copied, 1, &frame(), |settings| settings.ports = [8080; 16]);
    beds.expect(Copied, 1, &frame(), |settings| {
        settings.ports = [1; 16];
        settings.ports[15] = 8080;
    });
}

#[test]
fn bare_acknowledgments_have_nothing_to_copy() {
    let mut beds = Beds::new();
    let bare = |flags| Frame {
        payload: vec![],
        flags,
        ..Frame::default()
    };
    beds.expect(NoPayload, 0, &bare(ACK), |_| {});
    // Ethernet pads them to 60 bytes, which is no payload.
    beds.expect(
        NoPayload,
        0,
        &Frame {
            padding: 6,
            ..bare(ACK)
        },
        |_| {},
    );
    for flags in [SYN, FIN | ACK, RST] {
        beds.expect(Copied, 1, &bare(flags), |_| {});
    }
}

#[test]
fn the_kill_switch_copies_nothing() {
    let mut beds = Beds::new();
    beds.expect(SampledOut, 0, &Frame::default(), |settings| {
        settings.threshold = 0
    });
}

#[test]
fn the_program_samples_as_the_library_does() {
    let mapped = |d| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, d];
    let mut bed = Bed::new(RingKind::Bpf);
    let secrets = [Secret::NONE, Secret::new(1), Secret::new(u64::MAX)];
    for (key, secret, hash) in secrets.into_iter().flat_map(|secret| {
        let connection = connection_hash(secret, &mapped(1), &mapped(2), 40_000, 8080);
        [
            (SampleKey::Connection, secret, connection),
            (
                SampleKey::ClientAddress,
                secret,
                client_hash(secret, &mapped(1)),
            ),
        ]
    }) {
        for (threshold, outcome) in [
            (u64::from(hash), SampledOut),
            (u64::from(hash) + 1, Copied),
            (ALWAYS, Copied),
        ] {
            bed.set(|settings| {
                settings.sample_key = key as u32;
                settings.secret = secret;
                settings.threshold = threshold;
            });
            assert_eq!(
                bed.run(&Frame::default()).count(outcome),
                1,
                "{key:?} {secret:?} {threshold}"
            );
        }
    }
}

#[test]
fn what_cannot_be_parsed_is_counted_by_its_reason() {
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
                network: ipv4(Some(4), 0, 0),
                ..frame()
            },
            Malformed,
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
                ip_len: Some(39),
                ..frame()
            },
            Malformed,
        ),
        // From the wire, where no packet is too long for its length field.
        (
            Frame {
                ip_len: Some(0),
                ..frame()
            },
            Malformed,
        ),
        (
            Frame {
                network: IPV6,
                ip_len: Some(0),
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
                data_offset: Some(15),
                ..frame()
            },
            Malformed,
        ),
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
                network: ipv4(None, 0, 0x2000),
                ..frame()
            },
            Fragment,
        ),
        (
            Frame {
                network: ipv4(None, 0, 0x0010),
                ..frame()
            },
            Fragment,
        ),
        (v6(vec![fragment(0x0001)]), Fragment),
        (v6(vec![extension(60, 8); 7]), TooManyHeaders),
        // Too long a chain for direct access: the other way of reading it says the same.
        (v6(vec![extension(60, 128); 7]), TooManyHeaders),
        (v6(vec![extension(60, 512), fragment(0x0001)]), Fragment),
    ];
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        for (frame, reason) in &cases {
            // Logging is on: it must not change the outcome.
            for log in [0, 1] {
                bed.set(|settings| settings.log = log);
                let done = bed.run(frame);
                assert_eq!(done.unparsable(*reason), 1, "{kind}, {frame:?}: {done:?}");
                assert!(done.records.is_empty());
            }
        }
    }
}

#[test]
fn cut_frames_are_never_copied() {
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        for network in [ipv4(None, 0, 0), IPV6] {
            let v6 = matches!(network, Network::V6 { .. });
            let bytes = Frame {
                network,
                ..Frame::default()
            }
            .bytes();
            // Shorter ones the kernel does not let through to a test run.
            let shortest = if v6 { 54 } else { 34 };
            for len in shortest..bytes.len() {
                let done = bed.run_times(&bytes[..len], 1);
                let refused = done.unparsable(Truncated) + done.unparsable(Malformed);
                assert_eq!(refused, 1, "{kind}, {len} bytes: {done:?}");
            }
        }
    }
}

#[test]
fn other_protocols_do_not_enter_the_books() {
    let mut beds = Beds::new();
    let frame = Frame::default;
    for frame in [
        Frame {
            protocol: 17,
            ..frame()
        },
        Frame {
            protocol: 58,
            network: IPV6,
            ..frame()
        },
        Frame {
            vlans: vec![0x8100; 3],
            ..frame()
        },
    ] {
        beds.expect(NotTcp, 0, &frame, |_| {});
    }
}

#[test]
fn a_full_ring_loses_segments_and_says_how_many() {
    for kind in BOTH {
        let mut bed = Bed::with_rings(kind, 1, 4096);
        bed.set(|settings| settings.log = 1);
        let frame = Frame::default().bytes();
        let done = bed.run_times(&frame, 100);
        let (copied, lost) = (done.count(Copied), done.count(RingFull));
        assert_eq!(copied + lost, 100, "{kind}");
        assert!(
            copied > 0 && lost > 0,
            "{kind}: {copied} copied, {lost} lost"
        );
        assert_eq!(done.records.len() as u64, copied, "{kind}");
        // Room again, since the reader has read.
        assert_eq!(bed.run_times(&frame, 1).count(Copied), 1, "{kind}");
    }
}

#[test]
fn a_shard_without_a_ring_loses_its_segments() {
    let mut bed = Bed::with_rings(RingKind::Bpf, 1, 4096);
    // 64 shards, of which one has a ring: most flows find none.
    bed.set(|settings| settings.shards = 64);
    let mut lost = 0;
    for source_port in 1024..1040 {
        lost += bed
            .run(&Frame {
                source_port,
                ..Frame::default()
            })
            .count(RingFull);
    }
    assert!(lost > 8, "{lost}");
}

#[test]
fn the_first_loss_of_a_cpu_is_logged_if_asked_for() {
    for log in [0, 1] {
        let mut bed = Bed::with_rings(RingKind::Bpf, 1, 4096);
        bed.set(|settings| settings.log = log);
        let mut ring: RingBuf<MapData> = bed.ebpf.take_map("AYA_LOGS").unwrap().try_into().unwrap();
        let done = bed.run_times(&Frame::default().bytes(), 1000);
        assert!(done.count(RingFull) > 100);
        let mut lines = Vec::new();
        while let Some(line) = ring.next() {
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
        assert_eq!(lines.is_empty(), log == 0);
        assert!(
            lines.iter().all(|line| line.contains("a ring is full")),
            "{lines:?}"
        );
        assert!(lines.len() <= nr_cpus().unwrap(), "{} lines", lines.len());
    }
}
