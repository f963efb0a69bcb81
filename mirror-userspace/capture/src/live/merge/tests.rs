use mirror_common::record::SegmentHeader;
use mirror_core::random::Random;
use zerocopy::IntoBytes as _;

use super::*;

const fn micros(micros: u64) -> Time {
    Time::from_nanos(1_000_000_000 + micros * 1_000)
}

/// A record of this time, with a number to tell it from others.
fn record(at: Time, number: u32) -> Vec<u8> {
    let header = SegmentHeader {
        timestamp: at.as_nanos(),
        sequence: number,
        ..SegmentHeader::default()
    };
    header.as_bytes().to_vec()
}

fn number(record: &[u8]) -> u32 {
    crate::live::parse::read_record(record)
        .unwrap()
        .segment
        .seq
        .0
}

fn put(merge: &mut Merge, cpu: usize, at: u64, of: u32) {
    let bytes = record(micros(at), of);
    // The end of a ring may be anywhere.
    let split = of as usize % bytes.len();
    merge.put(cpu, micros(at), bytes.split_at(split));
}

fn due(merge: &mut Merge) -> Vec<u32> {
    std::iter::from_fn(|| merge.next().map(number)).collect()
}

#[test]
fn a_syn_in_another_ring_comes_first_although_it_is_read_last() {
    let mut merge = Merge::new(2);
    put(&mut merge, 0, 20, 2);
    put(&mut merge, 0, 30, 3);
    assert!(
        due(&mut merge).is_empty(),
        "the other ring was not looked at"
    );
    put(&mut merge, 1, 10, 1);
    assert_eq!(due(&mut merge), [1], "something from before 20 may follow");
    put(&mut merge, 1, 25, 9);
    assert_eq!(due(&mut merge), [2, 9]);
}

/// A client's segments are seen on one CPU, and v1's on another: an answer never comes before its request,
/// nor an acknowledgment before what it is for, whichever ring is read first and whenever.
#[test]
fn what_v1_says_stays_behind_what_it_answers() {
    // Request, its ACK, its reply; twice, and a request whose ACK is on the reply.
    const CLIENT: [(u64, u32); 3] = [(10, 1), (40, 4), (70, 7)];
    const V1: [(u64, u32); 5] = [(12, 2), (30, 3), (41, 5), (60, 6), (71, 8)];
    // After how many of the client's records and of v1's something is read.
    for client_first in 0..=CLIENT.len() {
        for v1_first in 0..=V1.len() {
            let mut merge = Merge::new(2);
            let mut read = Vec::new();
            let (client, v1) = (CLIENT.split_at(client_first), V1.split_at(v1_first));
            for (client, v1) in [(client.0, v1.0), (client.1, v1.1)] {
                for &(at, number) in v1 {
                    put(&mut merge, 1, at, number);
                }
                for &(at, number) in client {
                    put(&mut merge, 0, at, number);
                }
                read.extend(due(&mut merge));
            }
            let later = micros(10_000);
            merge.is_exhausted(0, later);
            merge.is_exhausted(1, later);
            read.extend(due(&mut merge));
            assert_eq!(read, [1, 2, 3, 4, 5, 6, 7, 8], "{client_first}, {v1_first}");
        }
    }
}

#[test]
fn one_cpu_waits_for_none() {
    let mut merge = Merge::new(1);
    put(&mut merge, 0, 20, 1);
    put(&mut merge, 0, 30, 2);
    assert_eq!(due(&mut merge), [1, 2]);
    assert!(merge.is_empty());
}

#[test]
fn an_idle_cpu_is_waited_for_no_longer_than_the_delay() {
    let mut merge = Merge::new(2);
    put(&mut merge, 0, 20, 1);
    let delay = u64::try_from(DELAY.as_micros()).unwrap();
    for (now, expected) in [(21, &[][..]), (delay + 19, &[]), (delay + 20, &[1])] {
        assert!(merge.wants(1, micros(now)) && !merge.wants(0, micros(now)));
        merge.is_exhausted(1, micros(now));
        assert!(!merge.wants(1, micros(now)));
        assert_eq!(due(&mut merge), expected);
    }
}

#[test]
fn a_rings_own_order_stays_whatever_its_records_say() {
    let mut merge = Merge::new(2);
    for (number, at) in [(1, 50), (2, 40), (3, u64::MAX / 2_000), (4, 41)] {
        put(&mut merge, 0, at, number);
    }
    merge.put(0, micros(60), (b"no", b" record"));
    let minute = micros(60_000_000);
    merge.is_exhausted(1, minute);
    assert_eq!(due(&mut merge), [1, 2], "3 says that it is of the future");
    merge.is_exhausted(1, micros(u64::MAX / 1_000 - 10_000_000));
    assert_eq!(merge.next().map(number), Some(3));
    assert_eq!(merge.next().map(number), Some(4));
    assert_eq!(merge.next(), Some(&b"no record"[..]));
    assert!(merge.is_empty());
}

#[test]
fn a_time_stamp_of_the_future_holds_a_record_for_a_second_at_most() {
    let mut merge = Merge::new(2);
    let now = micros(0);
    merge.put(0, now, (&record(Time::from_nanos(u64::MAX), 1), b""));
    merge.is_exhausted(1, now + AHEAD);
    assert!(due(&mut merge).is_empty());
    merge.is_exhausted(1, now + AHEAD + DELAY);
    assert_eq!(due(&mut merge), [1]);
}

#[test]
fn a_lane_says_when_it_is_full() {
    for cpus in [1, 4, 64, 1_024] {
        let mut merge = Merge::new(cpus);
        let bytes = record(micros(0), 1);
        let mut records = 1;
        while merge.put(0, micros(0), (&bytes, b"")) {
            records += 1;
        }
        let held = records * bytes.len();
        assert!(held >= LANE.1 && held < merge.room + bytes.len());
        let largest = vec![0; LARGEST_RECORD];
        merge.put(0, micros(0), (&largest[bytes.len()..], b""));
        assert!(merge.lanes[0].bytes.capacity() * cpus <= merge.capacity());
        let rest = merge.capacity() - cpus * LARGEST_RECORD;
        assert!(rest <= ROOM.max(cpus * LANE.1));
    }
}

/// Records of several CPUs, written up to the delay after their time and read now and then, by few
/// or many, come out sorted.
#[test]
fn at_random_it_is_a_sort() {
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let cpus = 1 + random.below(8);
        let mut rings = vec![VecDeque::new(); cpus];
        let mut expected = Vec::new();
        let mut free_at = vec![0; cpus];
        let mut at = 0;
        for number in 0..300 {
            let longest = if random.below(20) == 0 { 4_000 } else { 40 };
            at += random.below(longest) as u64;
            // Often the same few, so that some are idle for long.
            let cpu = random.below(cpus).min(random.below(cpus));
            // A CPU writes one after the other.
            let captured = at.max(free_at[cpu]);
            let written = captured + random.below(2_000) as u64;
            free_at[cpu] = written + 1;
            rings[cpu].push_back((written, captured, number));
            expected.push((captured, cpu, number));
        }
        expected.sort_unstable();
        let expected: Vec<u32> = expected.into_iter().map(|(_, _, number)| number).collect();

        let mut merge = Merge::new(cpus);
        let mut read = Vec::new();
        let mut now = 0;
        while read.len() < expected.len() {
            let few = 1 + random.below(40);
            now += random.below(3_000) as u64;
            for _ in 0..few {
                fill(&mut merge, &mut rings, now, &mut random);
                let Some(record) = merge.next() else { break };
                read.push(number(record));
            }
            assert!(now < 100_000_000, "seed {seed}: it stands still");
        }
        assert_eq!(read, expected, "seed {seed}");
        assert!(merge.is_empty());
    }
}

/// Puts what was written until now into the lanes that want it, or as much as has room.
fn fill(merge: &mut Merge, rings: &mut [VecDeque<(u64, u64, u32)>], now: u64, random: &mut Random) {
    for (cpu, ring) in rings.iter_mut().enumerate() {
        if !merge.wants(cpu, micros(now)) {
            continue;
        }
        let mut has_room = true;
        while has_room {
            // Reading takes time, in which more may be written.
            let late = now + random.below(3) as u64;
            let Some((_, captured, number)) = ring.pop_front_if(|(written, _, _)| *written <= late)
            else {
                merge.is_exhausted(cpu, micros(now));
                break;
            };
            merge.put(cpu, micros(now), (&record(micros(captured), number), b""));
            has_room = random.below(8) > 0;
        }
    }
}
