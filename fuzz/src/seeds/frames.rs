//! Frames, and files of frames.

use std::net::SocketAddr;

use mirror_capture::file::{CaptureWriter, Headers};
use mirror_core::segment::{Direction, FlowId, Segment, SeqNum, TcpFlags, Time};

use crate::pipeline::PHRASES;

/// Frames with the headers that the walk knows, in tunnels and without.
pub(super) fn packets() -> Vec<Vec<u8>> {
    let ip4 = [
        &[0x45, 0, 0, 47, 0, 0, 0x40, 0, 64, 6, 0, 0][..],
        &[10, 0, 0, 1, 10, 0, 0, 2],
        &TCP,
        b"GET / ",
    ]
    .concat();
    let ip6 = |next: &[u8], first: u8| {
        let len = u8::try_from(next.len() + TCP.len()).unwrap_or(u8::MAX);
        let addresses = [[0xfd; 16], [0xfe; 16]].concat();
        [
            &[0x60, 0, 0, 0, 0, len, first, 64][..],
            &addresses,
            next,
            &TCP,
        ]
        .concat()
    };
    let tagged = |tags: &[u8], kind: [u8; 2], ip: &[u8]| {
        let addresses = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        [&[0], &addresses[..], tags, &kind, ip].concat()
    };
    vec![
        [&[1][..], &ip4].concat(),
        tagged(&[], [8, 0], &ip4),
        tagged(&[0x81, 0, 0, 5], [8, 0], &ip4),
        tagged(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6], [8, 0], &ip4),
        [&[1][..], &ip6(&[], 6)].concat(),
        [&[1][..], &ip6(&[6, 0, 1, 4, 0, 0, 0, 0], 0)].concat(),
        [&[1][..], &ip6(&[6, 0, 0, 1, 0, 0, 0, 9], 44)].concat(),
        [&[21][..], &ip4].concat(),
        tagged(&[], [8, 0], &in_vxlan(&tagged(&[], [8, 0], &ip4)[1..])),
        tagged(&[], [8, 0], &in_gre(&ip4)),
    ]
}

/// An IPv4 packet that carries this frame in VXLAN.
fn in_vxlan(frame: &[u8]) -> Vec<u8> {
    let header = [0x9c, 0x40, 0x12, 0xb5, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 7, 0];
    in_ip4(17, &[&header, frame].concat())
}

/// An IPv4 packet that carries this one in GRE.
fn in_gre(packet: &[u8]) -> Vec<u8> {
    in_ip4(47, &[&[0, 0, 8, 0], packet].concat())
}

fn in_ip4(protocol: u8, carried: &[u8]) -> Vec<u8> {
    let len = u8::try_from(20 + carried.len()).unwrap_or(u8::MAX);
    let header = [0x45, 0, 0, len, 0, 0, 0x40, 0, 64, protocol, 0, 0];
    [&header[..], &[192, 168, 0, 1, 192, 168, 0, 2], carried].concat()
}

/// Ports 4000 to 80, ACK and PSH.
const TCP: [u8; 20] = [
    0x0f, 0xa0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0,
];

/// Capture files of each format.
pub(super) fn captures() -> Vec<Vec<u8>> {
    let segment = |seq: u32, payload: &'static [u8], wire_len: u32| Segment {
        at: Time::from_nanos(1_795_327_200_000_000_000 + u64::from(seq)),
        flow: FlowId {
            client: SocketAddr::from(([10, 0, 0, 1], 4_000)).into(),
            server: SocketAddr::from(([10, 0, 0, 2], 80)).into(),
            attachment: 0,
        },
        seq: SeqNum(seq),
        ack: Some(SeqNum(1)),
        flags: TcpFlags(0x18),
        urgent: None,
        direction: Direction::ToServer,
        expected: None,
        starts_segment: true,
        payload,
        wire_len,
    };
    let segments = [segment(1, PHRASES[0], 27), segment(28, b"cut", 90)];
    let mut seeds = Vec::new();
    for headers in [Headers::Ethernet, Headers::Ip] {
        let Ok(mut writer) = CaptureWriter::new(Vec::new(), headers, &["seed"]) else {
            continue;
        };
        if segments.iter().all(|segment| writer.write(segment).is_ok()) {
            seeds.extend(writer.finish(&["two packets"]));
        }
    }
    // The older format, both resolutions and both byte orders, with one raw IP packet, which may be in
    // a tunnel.
    let packet = &packets()[0][1..];
    let tunnel = in_gre(packet);
    for (magic, packet) in [(0xa1b2_c3d4_u32, packet), (0xa1b2_3c4d, &tunnel)] {
        for number in [u32::to_le_bytes, u32::to_be_bytes] {
            let len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
            let version = if number(1)[0] == 1 {
                [2, 0, 4, 0]
            } else {
                [0, 2, 0, 4]
            };
            let words = [0, 0, 65_535, 101, 1, 2, len, len].map(number).concat();
            seeds.push([&number(magic)[..], &version, &words, packet].concat());
        }
    }
    let packed: Vec<_> = seeds
        .iter()
        .take(1)
        .flat_map(|file| [gzip(file), zstd(file)])
        .collect();
    seeds.extend(packed);
    seeds
}

/// The file in one stored block of gzip (RFC 1952), whose checksum is wrong: that is known at its end.
fn gzip(file: &[u8]) -> Vec<u8> {
    let len = u16::try_from(file.len()).unwrap_or(u16::MAX);
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1];
    let lengths = [len, !len].map(u16::to_le_bytes).concat();
    [&header[..], &lengths, file, &[0; 8]].concat()
}

/// The file in one raw block of zstd (RFC 8878), behind a frame that is skipped.
fn zstd(file: &[u8]) -> Vec<u8> {
    let len = u16::try_from(file.len()).unwrap_or(u16::MAX);
    let [low, high] = (len << 3 | 1).to_le_bytes();
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7];
    let header = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x50, low, high, 0];
    [&skipped[..], &header, file].concat()
}
