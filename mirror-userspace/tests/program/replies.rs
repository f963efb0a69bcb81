//! What v1 says and acknowledges: the first bytes of each segment, in the shard of its connection.

use aya::programs::{TestRun, TestRunOptions};
use mirror_common::{
    counter::{
        Counter::{self, Copied, NotTcp, OtherPort, RingFull, SampledOut},
        slot,
    },
    packet::Unparsable,
    record::{
        TO_CLIENT,
        flag::{ACK, FIN, SYN},
    },
    sample::{ALWAYS, Secret, connection_hash, shard_hash},
};

use crate::{
    bed::{ATTACHMENT, BOTH, Bed, Done, PORT, reply_program},
    frame::{Frame, IPV6, Network},
};

const HEAD: u32 = 512;
const RUNS: u32 = 10_000;

fn answering(bed: &mut Bed) {
    bed.set(|settings| settings.reply_head = HEAD);
}

/// A reply of 10.0.0.1:8080 to 10.0.0.2:40000, or of the same over IPv6.
fn reply(len: usize) -> Frame {
    Frame {
        source_port: PORT,
        destination_port: 40_000,
        payload: (0..len)
            .map(|i| (i * 31 + i / 251).to_le_bytes()[0])
            .collect(),
        ..Frame::default()
    }
}

/// Runs the program of the other hook; nothing changes in the books of requests.
#[track_caller]
fn run(bed: &mut Bed, frame: &[u8]) -> Done {
    let before = (bed.counters_of(slot::REPLIES), bed.counters());
    let mut after = vec![0; frame.len()];
    let options = TestRunOptions {
        data_in: Some(frame),
        data_out: Some(&mut after),
        ..TestRunOptions::default()
    };
    let result = reply_program(&mut bed.ebpf).test_run(options).unwrap();
    assert_eq!(result.return_value.cast_signed(), -1, "TC_ACT_UNSPEC");
    assert!(after == frame, "the packet is read, never written");
    assert_eq!(bed.counters(), before.1);
    let mut counters = bed.counters_of(slot::REPLIES);
    for (now, before) in counters.iter_mut().zip(before.0) {
        *now -= before;
    }
    let records = bed.records();
    let done = Done { counters, records };
    done.assert_balance();
    done
}

#[test]
fn the_head_of_each_segment_is_copied_and_bare_acknowledgments_are() {
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        answering(&mut bed);
        for (len, flags) in [
            (0, ACK),
            (0, SYN | ACK),
            (0, FIN | ACK),
            (1, ACK),
            (511, ACK),
            (512, ACK),
            (513, ACK),
            (3000, ACK | FIN),
        ] {
            for network in [Frame::default().network, IPV6] {
                let frame = Frame {
                    network,
                    flags,
                    ..reply(len)
                };
                let done = run(&mut bed, &frame.bytes());
                assert_eq!(done.count(Copied), 1, "{frame:?}");
                let [record] = done.records.as_slice() else {
                    panic!("{} records", done.records.len())
                };
                let header = &record.header;
                assert_eq!(record.payload, frame.payload[..len.min(512)]);
                assert_eq!(header.segment_len as usize, len);
                assert!(header.is_last() && header.offset == 0);
                assert_eq!((header.direction, header.flags), (TO_CLIENT, flags));
                assert_eq!(
                    (header.source_port, header.destination_port),
                    (PORT, 40_000)
                );
                assert_eq!(header.sequence, frame.sequence);
                assert_eq!(header.acknowledgment, frame.acknowledgment);
                assert_eq!((header.attachment, header.socket), (ATTACHMENT, 0));
                assert_ne!(header.timestamp, 0);
            }
        }
    }
}

#[test]
fn both_directions_of_a_connection_are_in_one_shard_and_in_one_sample() {
    const CLIENT: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2];
    const SERVER: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1];
    let mut bed = Bed::with_rings(mirror_capture::object::RingKind::Bpf, 3, 1 << 16);
    answering(&mut bed);
    bed.set(|settings| settings.threshold = ALWAYS / 2);
    let mut sampled = 0;
    for port in 2000..2060 {
        let answer = Frame {
            destination_port: port,
            ..reply(9)
        };
        let Network::V4 {
            header_len,
            options,
            fragment,
            ..
        } = answer.network.clone()
        else {
            unreachable!()
        };
        let asked = Frame {
            network: Network::V4 {
                source: [10, 0, 0, 2],
                destination: [10, 0, 0, 1],
                header_len,
                options,
                fragment,
            },
            source_port: port,
            ..Frame::default()
        };
        let asked = bed.run(&asked);
        let answered = run(&mut bed, &answer.bytes());
        let hash = connection_hash(Secret::NONE, &CLIENT, &SERVER, port, PORT);
        let is_in = u64::from(hash) < ALWAYS / 2;
        for done in [&asked, &answered] {
            assert_eq!(done.count(Copied), u64::from(is_in), "{port}");
            assert_eq!(done.count(SampledOut), u64::from(!is_in), "{port}");
            let shard = shard_hash(&CLIENT, &SERVER, port, PORT) % 3;
            for record in &done.records {
                assert_eq!(record.shard, shard as usize);
            }
        }
        sampled += u32::from(is_in);
    }
    assert!((10..50).contains(&sampled), "{sampled}");
}

#[test]
fn all_else_has_its_counter() {
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        assert_eq!(
            run(&mut bed, &reply(9).bytes()).count(Counter::Seen),
            0,
            "not asked for"
        );
        answering(&mut bed);
        let to_the_port = Frame::default();
        let malformed = Frame {
            data_offset: Some(4),
            ..reply(9)
        };
        let udp = Frame {
            protocol: 17,
            ..reply(9)
        };
        assert_eq!(run(&mut bed, &to_the_port.bytes()).count(OtherPort), 1);
        assert_eq!(run(&mut bed, &udp.bytes()).count(NotTcp), 1);
        let done = run(&mut bed, &malformed.bytes());
        assert_eq!(done.unparsable(Unparsable::Malformed), 1);
        bed.set(|settings| settings.threshold = 0);
        assert_eq!(run(&mut bed, &reply(9).bytes()).count(SampledOut), 1);
        // A head is never longer than the most of heads.
        bed.set(|settings| {
            settings.threshold = ALWAYS;
            settings.reply_head = u32::MAX;
        });
        let done = run(&mut bed, &reply(3000).bytes());
        assert_eq!(done.records[0].payload.len(), 3000);
    }
    let mut bed = Bed::new(BOTH[0]);
    answering(&mut bed);
    bed.set(|settings| settings.shards = 64);
    let lost = Frame {
        destination_port: 40_001,
        ..reply(9)
    };
    assert_eq!(run(&mut bed, &lost.bytes()).count(RingFull), 1);
}

#[test]
fn cost_of_replies() {
    for kind in BOTH {
        let mut bed = Bed::with_rings(kind, 1, 1 << 26);
        answering(&mut bed);
        let other = Frame {
            source_port: 81,
            ..reply(9)
        };
        for (what, frame, threshold) in [
            ("other port", other, ALWAYS),
            ("unsampled", reply(1460), 1),
            ("acknowledgment", reply(0), ALWAYS),
            ("400 bytes", reply(400), ALWAYS),
            ("512 of 1460 bytes", reply(1460), ALWAYS),
        ] {
            bed.set(|settings| settings.threshold = threshold);
            let frame = frame.bytes();
            let mut once = || {
                let options = TestRunOptions {
                    data_in: Some(&frame),
                    repeat: RUNS,
                    ..TestRunOptions::default()
                };
                let took = reply_program(&mut bed.ebpf).test_run(options).unwrap();
                bed.records();
                took.duration
            };
            let cheapest = (0..10).map(|_| once()).min().unwrap();
            println!("{kind:5}reply, {what:20}{cheapest:>8.0?}");
        }
    }
}
