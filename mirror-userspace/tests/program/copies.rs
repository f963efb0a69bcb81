//! What is copied: exactly the segment's bytes, and a header that tells where they belong.

use std::os::fd::AsFd;

use mirror_capture::object::RingKind;
use mirror_common::{counter::Counter::Copied, sample::shard_hash};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::{
    bed::{ATTACHMENT, BOTH, Bed},
    frame::{Frame, IPV6, Network, extension, fragment, ipv6_with},
};

fn bytes(len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| (i * 31 + i / 251).to_le_bytes()[0])
        .collect()
}

const fn mapped(d: u8) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, d]
}

/// The one record that this frame gives holds its payload and the fields of its headers.
#[track_caller]
fn assert_copied(bed: &mut Bed, frame: &Frame) {
    let done = bed.run(frame);
    assert_eq!(done.count(Copied), 1, "{frame:?}");
    let [record] = done.records.as_slice() else {
        panic!("{} records of {frame:?}", done.records.len())
    };
    let header = &record.header;
    assert_eq!(record.payload, frame.payload, "{frame:?}");
    assert_eq!(header.segment_len as usize, frame.payload.len());
    assert!(header.is_last() && header.offset == 0);
    let (source, destination) = match frame.network {
        Network::V4 { .. } => (mapped(1), mapped(2)),
        Network::V6 {
            source,
            destination,
            ..
        } => (source, destination),
    };
    assert_eq!((header.source, header.destination), (source, destination));
    assert_eq!(header.source_port, frame.source_port);
    assert_eq!(header.destination_port, frame.destination_port);
    assert_eq!(header.sequence, frame.sequence);
    assert_eq!(header.acknowledgment, frame.acknowledgment);
    assert_eq!((header.flags, header.urgent), (frame.flags, frame.urgent));
    assert_eq!((header.attachment, header.socket), (ATTACHMENT, 0));
    assert_ne!(header.timestamp, 0);
}

#[test]
fn payloads_of_all_sizes_around_the_classes_are_copied_whole() {
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        // A test run takes frames of less than a page; `large` goes on from here.
        for len in [1, 2, 18, 511, 512, 513, 1460, 2047, 2048, 2049, 3000] {
            for network in [Frame::default().network, IPV6] {
                let frame = Frame {
                    network,
                    payload: bytes(len),
                    ..Frame::default()
                };
                assert_copied(&mut bed, &frame);
            }
        }
    }
}

#[test]
fn the_payload_is_found_behind_all_kinds_of_headers() {
    let frame = || Frame {
        payload: bytes(700),
        flags: 0x38,
        urgent: 5,
        ..Frame::default()
    };
    let options = Network::V4 {
        source: [10, 0, 0, 1],
        destination: [10, 0, 0, 2],
        header_len: None,
        options: vec![1; 40],
        fragment: 0,
    };
    let v6 = |headers| Frame {
        network: ipv6_with(headers),
        ..frame()
    };
    let frames = [
        Frame {
            vlans: vec![0x8100],
            ..frame()
        },
        Frame {
            vlans: vec![0x88a8, 0x8100],
            ..frame()
        },
        Frame {
            network: options,
            tcp_options: vec![1; 40],
            ..frame()
        },
        Frame {
            payload: bytes(3),
            padding: 17,
            ..frame()
        },
        Frame {
            network: IPV6,
            vlans: vec![0x8100],
            ..frame()
        },
        v6(vec![extension(0, 8)]),
        v6(vec![
            extension(0, 16),
            extension(60, 8),
            extension(43, 24),
            fragment(0),
            extension(51, 28),
        ]),
        // Behind 256 bytes of headers they are read by helper.
        v6(vec![extension(60, 2048)]),
        v6(vec![extension(0, 160), extension(60, 120)]),
    ];
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        for frame in &frames {
            assert_copied(&mut bed, frame);
        }
        bed.set(|settings| settings.ethernet = 0);
        for network in [Frame::default().network, IPV6] {
            assert_copied(
                &mut bed,
                &Frame {
                    ethernet: false,
                    network,
                    ..frame()
                },
            );
        }
    }
}

#[test]
fn a_flow_goes_to_the_shard_that_its_hash_names() {
    let mut bed = Bed::with_rings(RingKind::Bpf, 3, 1 << 16);
    let mut seen = [0; 3];
    for source_port in 2000..2060 {
        let done = bed.run(&Frame {
            source_port,
            ..Frame::default()
        });
        let [record] = done.records.as_slice() else {
            panic!("{done:?}")
        };
        let hash = shard_hash(&mapped(1), &mapped(2), source_port, 8080);
        assert_eq!(record.shard, (hash % 3) as usize);
        seen[record.shard] += 1;
    }
    assert!(seen.iter().all(|&flows| flows > 5), "{seen:?}");
}

#[test]
fn a_sleeping_reader_is_woken() {
    let mut bed = Bed::new(RingKind::Bpf);
    bed.set_sleeping(0, 1);
    let ring = bed.bpf_ring(0).as_fd().try_clone_to_owned().unwrap();
    let sleeper = std::thread::spawn(move || {
        let mut fds = [PollFd::new(ring.as_fd(), PollFlags::POLLIN)];
        // Long enough for any machine: without a wakeup it is the time-out that ends it.
        poll(&mut fds, PollTimeout::from(30_000_u16)).unwrap()
    });
    // The record must come while the thread sleeps, to prove that it is woken from it.
    std::thread::sleep(std::time::Duration::from_millis(100));
    bed.send(&Frame::default().bytes(), 1);
    assert_eq!(sleeper.join().unwrap(), 1, "the reader slept on");
}
