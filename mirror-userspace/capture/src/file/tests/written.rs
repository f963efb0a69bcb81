//! What the writer writes, the reader and other tools read.

use std::process::Command;

use mirror_common::record::flag;
use mirror_core::segment::TcpFlags;

use super::super::*;
use super::craft::*;

fn write(headers: Headers, segments: &[Segment<'_>], closing: &[&str]) -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new(), headers, &["podmirror record"]).unwrap();
    for segment in segments {
        writer.write(segment).unwrap();
    }
    assert!(writer.written() > 0);
    writer.finish(closing).unwrap()
}

#[test]
fn segments_come_back_as_they_were() {
    let mut urgent = segment(u32::MAX - 2, b"0123456789");
    urgent.urgent = Some(3);
    urgent.flags = TcpFlags(flag::ACK | flag::URG | flag::FIN);
    let mut cut = between("[fd00::1]:9", "[fd00::2]:80", 7, b"01234");
    cut.wire_len = 1_000;
    let mut syn = segment(9, b"early");
    syn.flags = TcpFlags(flag::SYN);
    syn.ack = None;
    for headers in [Headers::Ethernet, Headers::Ip] {
        let segments = [segment(1, b"abc"), urgent, cut, syn];
        let file = write(headers, &segments, &[]);
        let mut capture = CaptureFile::new(&file[..]).unwrap();
        for expected in &segments {
            let found = capture.next_segment().unwrap().unwrap().segment;
            assert_eq!(format!("{found:?}"), format!("{expected:?}"));
        }
        assert!(capture.next_segment().unwrap().is_none());
        assert_eq!(capture.ending(), Some(Ending::Complete));
    }
}

/// Linux takes it for 1: without it, replaying would put the urgent byte in line.
#[test]
fn an_urgent_pointer_of_zero_is_kept() {
    let mut urgent = segment(1, b"abc");
    urgent.urgent = Some(0);
    urgent.flags = TcpFlags(flag::ACK | flag::URG);
    let file = write(Headers::Ip, &[urgent], &[]);
    let mut capture = CaptureFile::new(&file[..]).unwrap();
    let found = capture.next_segment().unwrap().unwrap().segment;
    assert_eq!((found.urgent, found.flags), (Some(0), urgent.flags));
}

#[test]
fn a_segment_larger_than_an_ip_packet_becomes_several() {
    let payload: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
    let mut large = segment(u32::MAX - 5, &payload[..150_000]);
    large.flags = TcpFlags(flag::SYN | flag::FIN | flag::URG);
    large.ack = None;
    large.urgent = Some(65_500);
    large.wire_len = 200_000;
    let file = write(Headers::Ip, &[large], &[]);
    let mut capture = CaptureFile::new(&file[..]).unwrap();
    let (mut joined, mut next, mut seen) = (Vec::new(), large.seq, Vec::new());
    while let Some(found) = capture.next_segment().unwrap() {
        let segment = found.segment;
        assert_eq!(segment.seq, next);
        next = segment.payload_seq() + segment.wire_len;
        joined.extend_from_slice(segment.payload);
        let flags = segment.flags;
        seen.push((flags.syn(), flags.fin(), segment.urgent));
    }
    assert!(joined == payload[..150_000]);
    assert_eq!(next, large.payload_seq() + 200_000);
    let expected = [
        (true, false, Some(65_500)),
        (false, false, Some(5)),
        (false, false, None),
        (false, true, None),
    ];
    assert_eq!(seen, expected);
}

/// Runs a Wireshark tool on a file; `None`, and a loud word, where it is not installed.
fn wireshark(tool: &str, arguments: &[&str], file: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.pcapng");
    std::fs::write(&path, file).unwrap();
    let output = match Command::new(tool)
        .arg("-r")
        .arg(&path)
        .args(arguments)
        .output()
    {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIPPED: {tool} could not be run ({error})");
            return None;
        }
    };
    assert!(output.status.success(), "{tool}: {output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn wireshark_reads_it_and_finds_the_checksums_right() {
    let request = b"GET /seen HTTP/1.1\r\nHost: example.com\r\n\r\n!";
    let segments = [
        segment(1, &request[..request.len() - 1]),
        between("[fd00::1]:9", "[fd00::2]:80", 5, b"odd"),
        between("10.9.8.7:1", "255.254.253.252:65535", u32::MAX, request),
    ];
    let file = write(Headers::Ethernet, &segments, &["lost: nothing"]);
    let arguments = [
        "-o",
        "tcp.check_checksum:TRUE",
        "-o",
        "ip.check_checksum:TRUE",
        "-T",
        "fields",
        "-e",
        "tcp.checksum.status",
        "-e",
        "ip.checksum.status",
        "-e",
        "frame.time_epoch",
        "-e",
        "http.request.uri",
    ];
    let Some(seen) = wireshark("tshark", &arguments, &file) else {
        return;
    };
    let time = "1795327200.000001000";
    let lines: Vec<&str> = seen.lines().map(str::trim_end).collect();
    assert_eq!(lines[0], format!("1\t1\t{time}\t/seen"));
    assert_eq!(lines[1], format!("1\t\t{time}"));
    assert_eq!(lines[2], format!("1\t1\t{time}\t/seen"));
}
