//! Frames cut short and frames of random bytes.

use mirror_common::packet::{
    Link, LoadBytes,
    Unparsable::{Malformed, Truncated},
    Walk, walk,
};

use crate::{found::whole, frame::Frame};

#[test]
fn a_frame_cut_anywhere_is_never_a_segment_with_bytes_outside_it() {
    for (frame, offset) in whole() {
        let bytes = frame.bytes();
        let link = if frame.ethernet {
            Link::Ethernet
        } else {
            Link::Ip
        };
        let ip_end = bytes.len() - frame.padding;
        for len in 0..bytes.len() {
            match walk(&bytes[..len], link) {
                // The length comes from the packet, which may end anywhere behind the headers.
                Walk::Tcp(found) if frame.ip_len == Some(0) => {
                    assert_eq!(found.payload_offset + found.payload_len, len);
                }
                Walk::Tcp(_) => assert!(len >= ip_end, "{len} bytes of {frame:?}"),
                Walk::Unparsable(Truncated | Malformed) => {
                    assert!(len < ip_end.max(offset), "{len} bytes of {frame:?}");
                }
                other => panic!("{other:?} of {len} bytes of {frame:?}"),
            }
        }
    }
}

/// A packet of which only the head is there: a capture with a snap length.
struct Snapped<'a>(&'a [u8], usize);

impl LoadBytes for Snapped<'_> {
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.0.load(offset)
    }

    fn total_len(&self) -> usize {
        self.1
    }
}

#[test]
fn a_snapped_packet_is_walked_by_its_headers() {
    let bytes = Frame::default().bytes();
    let walked = walk(&Snapped(&bytes[..54], bytes.len()), Link::Ethernet);
    let Walk::Tcp(found) = walked else {
        panic!("{walked:?}")
    };
    assert_eq!((found.payload_offset, found.payload_len), (54, 18));
    assert_eq!(
        walk(&Snapped(&bytes[..53], bytes.len()), Link::Ethernet),
        Walk::Unparsable(Truncated)
    );
}

/// SplitMix64: the same bytes for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
}

#[test]
fn whatever_the_bytes_the_payload_stays_within_the_packet() {
    let seed = 0x706f_646d_6972_726f;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let frames = whole();
    let (mut segments, mut refused) = (0, 0);
    for _ in 0..200_000 {
        let (frame, _) = &frames[random.below(frames.len())];
        let mut bytes = frame.bytes();
        // Headers only: a changed payload changes nothing.
        let headers = bytes.len().min(160);
        for _ in 0..=random.below(4) {
            bytes[random.below(headers)] = random.next().to_le_bytes()[0];
        }
        bytes.truncate(random.below(bytes.len() * 4).min(bytes.len()));
        for link in [Link::Ethernet, Link::Ip] {
            match walk(bytes.as_slice(), link) {
                Walk::Tcp(found) => {
                    segments += 1;
                    assert!(found.payload_offset + found.payload_len <= bytes.len());
                    assert!(found.addresses(bytes.as_slice()).is_some());
                }
                Walk::Unparsable(_) => refused += 1,
                Walk::NotTcp => {}
            }
        }
    }
    assert!(segments > 1000 && refused > 1000, "{segments} {refused}");
}
