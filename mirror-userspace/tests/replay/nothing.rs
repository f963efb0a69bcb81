//! A capture without requests says what it has instead, and one in tunnels has them.

use crate::{
    capture::{Capture, get},
    program::{Ended, replay},
};

/// Three requests, and nothing else.
fn conversation() -> Capture {
    let mut capture = Capture::new();
    let mut client = capture.connect(4001);
    for target in ["/1", "/2", "/3"] {
        capture.say(&mut client, get(target));
    }
    capture.finish(&client);
    capture
}

/// What is said of a capture in which nothing is found.
#[track_caller]
fn nothing(file: &[u8], flags: &[&str], words: &[&str]) -> Ended {
    let ended = replay(file, &[&["--print"], flags].concat()).balanced();
    assert!(ended.lines.is_empty());
    let hints: Vec<_> = ended.stderr.split("hint: ").skip(1).collect();
    for word in words {
        assert!(
            hints.iter().any(|hint| hint.contains(word)),
            "{word}: {}",
            ended.stderr
        );
    }
    ended
}

/// An IPv4 packet from 192.168.9.1 to .2, behind its EtherType.
fn outer(protocol: u8, carried: &[u8]) -> Vec<u8> {
    let len = u16::try_from(20 + carried.len()).unwrap().to_be_bytes();
    let mut packet = vec![
        0x08, 0, 0x45, 0, len[0], len[1], 0, 9, 0, 0, 64, protocol, 0, 0,
    ];
    packet.extend([192, 168, 9, 1, 192, 168, 9, 2]);
    packet.extend(carried);
    packet
}

fn vxlan(port: u16, ethertype_and_packet: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + 8 + 12 + ethertype_and_packet.len()).unwrap();
    let mut datagram = [50_000, port, len, 0].map(u16::to_be_bytes).concat();
    datagram.extend([8, 0, 0, 0, 0, 0, 42, 0]);
    datagram.extend([2; 12]);
    datagram.extend(ethertype_and_packet);
    outer(17, &datagram)
}

#[test]
fn frames_that_are_not_read_are_named() {
    for (header, name, advice) in [
        (&[0x88, 0x47, 0, 1, 1, 64][..], "mpls", "labels"),
        (
            &[0x88, 0x64, 0x11, 0, 0, 9, 0, 60, 0, 0x21],
            "pppoe",
            "ppp0",
        ),
        (&[0x92, 0, 0, 7, 8, 0], "vlan_0x9200", "0x8100"),
        (&[0, 60, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0], "llc", "802.3"),
    ] {
        let file = conversation().changed(|frame| [header, &frame[2..]].concat());
        let ended = nothing(&file, &[], &[name, advice]);
        assert_eq!(ended.count(&format!("/file/not_tcp/{name}")), 5);
        assert_eq!(ended.count("/segments/not_tcp"), 5);
        assert!(ended.stderr.contains("frames without TCP"));
    }
}

#[test]
fn requests_in_tunnels_are_found() {
    for (name, file) in [
        ("VXLAN", conversation().changed(|frame| vxlan(4789, frame))),
        (
            "Flannel",
            conversation().changed(|frame| vxlan(8472, frame)),
        ),
        (
            "IP in IP",
            conversation().changed(|frame| outer(4, &frame[2..])),
        ),
        (
            "GRE",
            conversation().changed(|frame| outer(47, &[&[0, 0, 8, 0], &frame[2..]].concat())),
        ),
    ] {
        let ended = replay(&file, &["--print"]).balanced();
        assert_eq!(ended.targets(), ["/1", "/2", "/3"], "{name}");
        assert_eq!(ended.count("/file/tunnelled"), 5, "{name}");
    }
}

#[test]
fn vxlan_at_another_port_is_named_and_read_when_told() {
    let file = conversation().changed(|frame| vxlan(9000, frame));
    nothing(&file, &[], &["--vxlan-port 9000"]);
    let ended = replay(&file, &["--print", "--vxlan-port", "9000"]).balanced();
    assert_eq!(ended.lines.len(), 3);
    let ended = replay(&file, &["--vxlan-port", "0"]).balanced();
    assert_eq!(ended.count("/segments/not_tcp"), 5);
}

#[test]
fn other_ports_are_named() {
    let ended = nothing(
        &conversation().bytes(),
        &["--port", "8080"],
        &["try --port 80"],
    );
    assert_eq!(ended.count("/file/other_ports/80"), 5);
}

#[test]
fn a_capture_without_packets_or_payload_says_so() {
    nothing(&Capture::new().bytes(), &[], &["no packets"]);
    let mut capture = Capture::new();
    let client = capture.connect(1);
    capture.finish(&client);
    nothing(
        &capture.bytes(),
        &[],
        &["no request was found in 1 connections"],
    );
}

#[test]
fn wrong_checksums_are_refused_and_named_unless_they_are_ignored() {
    let mut capture = Capture::new();
    let mut client = capture.connect(4001);
    capture.say(&mut client, get("/right"));
    capture.say(&mut client, get("/wrong"));
    let spoil = |frame: &[u8]| {
        let mut frame = frame.to_vec();
        if frame.windows(6).any(|text| text == b"/wrong") {
            // The checksum of TCP, behind the EtherType and 36 bytes of headers.
            frame[38] ^= 0x55;
        }
        frame
    };
    let file = capture.changed(spoil);
    let ended = replay(&file, &["--print"]).balanced();
    assert_eq!(ended.targets(), ["/right"]);
    assert_eq!(ended.count("/segments/refused/checksum"), 1);
    assert!(ended.stderr.contains("--ignore-checksums"));
    let ended = replay(&file, &["--print", "--ignore-checksums"]).balanced();
    assert_eq!(ended.targets(), ["/right", "/wrong"]);
}
