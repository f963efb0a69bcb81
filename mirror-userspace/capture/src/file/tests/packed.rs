//! Captures packed by gzip and zstd.

use std::io::{self, Read, Write as _};

use flate2::{Compression, write::GzEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::{super::*, craft::*};

fn capture(packets: usize) -> Vec<u8> {
    let packets: Vec<_> = (0..packets)
        .map(|n| {
            let text = format!("GET /{n} HTTP/1.1\r\n");
            Frame::whole(n as u64, ip(&segment(n as u32 * 99, text.as_bytes())))
        })
        .collect();
    legacy(0xa1b2_c3d4, Order::Little, LinkType::RAW, &packets)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

type Pack = fn(&[u8]) -> Vec<u8>;

const PACKERS: [(&str, Pack); 2] = [("gzip", gzip), ("zstd", zstd)];

#[test]
fn a_packed_capture_gives_the_same_segments() {
    let packet = [Frame::whole(0, ip(&segment(1, b"x")))];
    let pcapng = pcapng(Order::Big, LinkType::RAW, &packet);
    for file in [capture(3_000), pcapng] {
        let (expected, ..) = read(&file);
        for (name, pack) in PACKERS {
            let (read, ending, _) = read(&pack(&file));
            assert_eq!(ending, Ending::Complete, "{name}");
            assert_eq!(read, expected, "{name}");
        }
    }
}

#[test]
fn a_capture_packed_in_parts_is_one() {
    let file = capture(40);
    let (expected, ..) = read(&file);
    for (name, pack) in PACKERS {
        let parts: Vec<u8> = file.chunks(100).flat_map(pack).collect();
        let (read, ending, _) = read(&parts);
        assert_eq!(ending, Ending::Complete, "{name}");
        assert_eq!(read, expected, "{name}");
    }
}

#[test]
fn frames_of_zstd_without_data_are_skipped_wherever_they_are() {
    let file = capture(4);
    let note = [
        &0x184d_2a53_u32.to_le_bytes()[..],
        &3_u32.to_le_bytes(),
        b"abc",
    ]
    .concat();
    let (begun, rest) = file.split_at(60);
    let packed = [&note[..], &zstd(begun), &note, &note, &zstd(rest), &note].concat();
    let (read, ending, _) = read(&packed);
    assert_eq!((read.len(), ending), (4, Ending::Complete));
}

#[test]
fn what_was_packed_before_a_cut_is_used() {
    let file = capture(5_000);
    for (name, pack) in PACKERS {
        let packed = pack(&file);
        for cut in [packed.len() - 1, packed.len() * 3 / 4] {
            let (read, ending, _) = read(&packed[..cut]);
            assert_eq!(ending, Ending::Cut, "{name} {cut}");
            assert!(read.len() > 2_500, "{name} {cut}: {}", read.len());
        }
    }
    // Cut between two packets, of which the reader of packets sees nothing.
    let cut_after = gzip(&file[..24 + 16 + 56]);
    let mut capture = CaptureFile::new(&cut_after[..cut_after.len() - 4]).unwrap();
    while capture.next_segment().unwrap().is_some() {}
    assert_eq!(capture.ending(), Some(Ending::Cut));
}

#[test]
fn what_was_packed_before_damage_is_used() {
    let file = capture(5_000);
    for (name, pack) in PACKERS {
        let good = pack(&file[..40_000]);
        let bad = [&good[..], &b"\x28\xb5\x2f\xfdnot a frame at all"[..]].concat();
        let (read, ending, _) = read(&bad);
        assert!(
            matches!(ending, Ending::Corrupt | Ending::Cut),
            "{name}: {ending}"
        );
        assert!(read.len() > 300, "{name}: {}", read.len());
    }
}

#[test]
fn damage_anywhere_is_no_panic_and_no_hang() {
    let file = capture(50);
    for (_, pack) in PACKERS {
        let packed = pack(&file);
        for at in 0..packed.len() {
            for bit in [1, 0x80] {
                let mut damaged = packed.clone();
                damaged[at] ^= bit;
                if let Ok(mut capture) = CaptureFile::new(&damaged[..]) {
                    while capture.next_segment().unwrap().is_some() {}
                    assert!(capture.ending().is_some());
                }
            }
        }
    }
}

#[test]
fn a_window_larger_than_zstd_itself_unpacks_is_refused() {
    // A frame header (RFC 8878 section 3.1.1.1) with a window of 2^41 bytes.
    let header = [0x28, 0xb5, 0x2f, 0xfd, 0, 0xf8, 1, 0, 0, 0];
    let refused = CaptureFile::new(&header[..]).unwrap_err();
    assert!(matches!(refused, OpenError::Broken), "{refused}");
}

#[test]
fn what_can_be_made_into_a_capture_is_named_with_the_command() {
    for (bytes, word) in [
        (&b"\xfd7zXZ\0 and more"[..], "xz -dc"),
        (b"BZh91AY&SY", "bzip2 -dc"),
        (b"PK\x03\x04", "unzip -p"),
        (b"snoop\0\0\0\0\0\0\x02", "editcap"),
    ] {
        let refused = CaptureFile::new(bytes).unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
    }
    for (name, pack) in PACKERS {
        let refused = CaptureFile::new(&pack(b"no capture, but packed")[..]).unwrap_err();
        assert!(matches!(refused, OpenError::NotACapture), "{name}");
    }
}

/// Fails after its bytes, as a disk does.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buf)? {
            0 => Err(io::Error::from_raw_os_error(5)),
            read => Ok(read),
        }
    }
}

#[test]
fn a_failing_disk_is_an_error_and_no_cut() {
    let file = capture(20_000);
    for (name, pack) in PACKERS {
        let packed = pack(&file);
        let mut capture = CaptureFile::new(Failing(&packed[..packed.len() / 2])).unwrap();
        let error = loop {
            match capture.next_segment() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{name}: no error"),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("os error 5"), "{name}: {error}");
    }
}
