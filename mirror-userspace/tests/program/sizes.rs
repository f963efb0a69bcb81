//! How much room a segment takes in a ring, and that it is copied whole at each of the sizes that
//! its record may have.

use std::collections::BTreeSet;

use mirror_common::{
    counter::Counter::{Copied, RingFull},
    record::{LARGEST, SMALLEST, SegmentHeader, capacity},
};

use crate::{
    bed::{BOTH, Bed, Done, segment},
    frame::{Frame, IPV6},
};

/// The kernel's own header before each record of a BPF ring; a perf ring's is as long.
const BEFORE: usize = 8;
/// The longest payload in a frame of IPv4.
const LONGEST: usize = 65_535 - 20 - 20;

/// All sizes, one byte less, and one more.
pub(crate) fn boundaries() -> BTreeSet<usize> {
    (1..=LARGEST)
        .map(capacity)
        .flat_map(|size| [size - 1, size, size + 1])
        .collect()
}

/// Each segment with more than what the smallest record has room for takes a quarter more than its own
/// bytes and one header at most, the kernel's headers and all included. None may be lost.
#[track_caller]
pub(crate) fn assert_little_is_wasted(done: &Done) {
    let mut room = 0;
    for record in &done.records {
        room += BEFORE + record.room.next_multiple_of(8);
        if !record.header.is_last() {
            continue;
        }
        let len = record.header.segment_len as usize;
        let most = (len + size_of::<SegmentHeader>()) * 5 / 4;
        assert!(len <= SMALLEST || room <= most, "{room} for {len}");
        room = 0;
    }
    assert_eq!(room, 0, "a segment without its end");
}

#[track_caller]
fn assert_copied(done: &Done, frame: &Frame) {
    let len = frame.payload.len();
    assert_eq!(done.count(Copied), 1, "{len}: {done:?}");
    let payload: Vec<u8> = done
        .records
        .iter()
        .flat_map(|record| record.payload.clone())
        .collect();
    assert!(payload == frame.payload, "{len}: other bytes");
    assert_little_is_wasted(done);
}

#[test]
fn segments_of_a_page_are_copied_whole_at_each_size() {
    // A test run of a socket buffer takes less than a page; `large` goes on from here.
    for kind in BOTH {
        let mut bed = Bed::new(kind);
        for len in boundaries().into_iter().filter(|&len| len < 3_600) {
            for network in [Frame::default().network, IPV6] {
                let frame = Frame {
                    network,
                    ..segment(len)
                };
                assert_copied(&bed.run(&frame), &frame);
            }
        }
    }
}

#[test]
fn segments_of_a_port_of_copies_are_copied_whole_at_each_size() {
    let Some(mut bed) = Bed::tap(1 << 20) else {
        return;
    };
    let mut sizes = boundaries();
    assert!(sizes.contains(&57_345) && sizes.contains(&513), "{sizes:?}");
    sizes.extend([1_024, 2_048, 5_000, 17_000, 33_000, 64_000, LONGEST]);
    sizes.retain(|&len| len <= LONGEST);
    for len in sizes {
        let frame = segment(len);
        let (_, done) = bed.run_tap(&frame.bytes());
        assert_copied(&done, &frame);
        let [record] = done.records.as_slice() else {
            panic!("{} records for {len}", done.records.len())
        };
        assert_eq!(record.room, size_of::<SegmentHeader>() + capacity(len));
    }
}

#[test]
fn a_ring_holds_as_many_as_their_bytes_let_it() {
    const RING: u32 = 1 << 20;
    for len in [1_024, 1_460, 17_000, 33_000, 64_000] {
        let ring = RING as usize;
        let Some(mut bed) = Bed::tap(RING) else {
            return;
        };
        let frame = segment(len).bytes();
        let most = (len + size_of::<SegmentHeader>()) * 5 / 4;
        let before = bed.counters();
        for _ in 0..=ring / len {
            bed.send_tap(&frame);
        }
        let done = bed.done_since(&before);
        assert!(done.count(RingFull) > 0, "{len}: {done:?}");
        let copied = done.count(Copied);
        println!("{copied} segments of {len} bytes in a ring of {RING}");
        assert_eq!(done.records.len() as u64, copied);
        assert!(done.records.len() + 1 >= ring / most, "{len}: {copied}");
        assert_little_is_wasted(&done);
    }
}
