//! The lab itself, with real namespaces: these tests need root, as all that build on it do.

use std::{
    net::UdpSocket,
    panic::{self, AssertUnwindSafe},
    process::Command,
    time::Duration,
};

use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n";

#[test]
fn a_lab_joins_its_hosts_over_both_ip_versions() {
    let lab = Lab::new().unwrap();
    for family in [Family::V4, Family::V6] {
        for host in [Host::V1, Host::V2] {
            let address = host.address(family, 80);
            let server =
                RecordingServer::start(lab.namespace(host), address, Behaviour::Answer).unwrap();
            for from in [&lab.client, &lab.node] {
                let mut client = RawClient::connect(from, address).unwrap();
                client.write(GET).unwrap();
                assert_eq!(client.read_reply("GET").unwrap().status, 200);
            }
            assert_eq!(server.requests().len(), 2);
        }
    }
}

#[test]
fn a_lab_leaves_nothing_behind() {
    let (names, daemon) = {
        let lab = Lab::new().unwrap();
        let sleep = lab.v1.spawn(Command::new("sleep").arg("1000")).unwrap();
        let daemon = sleep.id();
        // Whoever loses the handle does not keep the namespace alive.
        std::mem::forget(sleep);
        let all = [&lab.node, &lab.client, &lab.v1, &lab.v2].map(Namespace::path);
        assert!(all.iter().all(|path| path.exists()));
        (all, daemon)
    };
    assert!(!names.iter().any(|path| path.exists()));
    let state = std::fs::read_to_string(format!("/proc/{daemon}/stat")).unwrap();
    assert!(state.contains(") Z "), "killed, and ours to reap: {state}");
}

#[test]
fn a_panic_takes_the_lab_down() {
    let mut path = None;
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        let lab = Lab::new().unwrap();
        path = Some(lab.v1.path());
        lab.v1.run(|| panic!("inside the namespace")).unwrap();
    }));
    assert!(outcome.is_err());
    assert!(!path.unwrap().exists());
}

#[test]
fn what_a_killed_run_left_is_removed() {
    // No process has this id: the kernel's limit is 2^22.
    let left = format!("podmirror-{}-0-v1", (1 << 22) + 1);
    let abandoned = Namespace::create(left).unwrap();
    let path = abandoned.path();
    std::mem::forget(abandoned);
    cleanup::remove_of_ended();
    assert!(!path.exists());
}

/// How many of `count` connections with a request each come through.
fn talk(lab: &Lab, count: usize) -> usize {
    let address = Host::V1.address(Family::V4, 80);
    let server = RecordingServer::start(&lab.v1, address, Behaviour::Answer).unwrap();
    for _ in 0..count {
        let mut client = RawClient::connect(&lab.client, address).unwrap();
        client.write(GET).unwrap();
        client.read_reply("GET").unwrap();
    }
    server.requests().len()
}

#[test]
fn tcp_survives_loss_on_either_side_of_the_hook() {
    for at in [LossAt::BeforeHook, LossAt::AfterHook] {
        let lab = Lab::new().unwrap();
        lab.lose(Loss::OneIn(7), at).unwrap();
        assert_eq!(talk(&lab, 8), 8, "{at:?}");
        // 8 connections are at least 24 packets to v1: of SYN, request and FIN, and of
        // acknowledgements, whose loss needs no retransmission.
        let lost = lab.lost().unwrap();
        assert!(lost >= 3, "{at:?}: {lost} packets lost");
        lab.lose_nothing().unwrap();
        assert_eq!(talk(&lab, 2), 2);
    }
}

#[test]
fn offload_can_be_switched() {
    let lab = Lab::new().unwrap();
    for (offload, expected) in [(Offload::Off, "off"), (Offload::On, "on")] {
        lab.set_offload(offload).unwrap();
        let shown = lab
            .client
            .output(Command::new("ethtool").args(["-k", "eth0"]))
            .unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        for feature in ["tcp-segmentation-offload", "generic-segmentation-offload"] {
            assert!(shown.contains(&format!("{feature}: {expected}")), "{shown}");
        }
    }
}

#[test]
fn the_mtu_is_the_one_asked_for() {
    let lab = Lab::with_mtu(9_000).unwrap();
    let address = Host::V1.address(Family::V4, 9);
    let receiver = lab.v1.run(|| UdpSocket::bind(address)).unwrap().unwrap();
    receiver
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let sender = lab
        .client
        .run(|| UdpSocket::bind("0.0.0.0:0"))
        .unwrap()
        .unwrap();
    sender.send_to(&[1; 8_900], address).unwrap();
    assert_eq!(receiver.recv(&mut [0; 9_000]).unwrap(), 8_900);
    let shown = lab
        .v1
        .output(Command::new("ip").args(["link", "show", "eth0"]))
        .unwrap();
    assert!(
        String::from_utf8(shown.stdout)
            .unwrap()
            .contains("mtu 9000")
    );
}

#[test]
fn nginx_answers_and_logs() {
    let lab = Lab::new().unwrap();
    let address = Host::V2.address(Family::V6, 80);
    let config = NginxConfig {
        listen: vec![address],
        access_log: true,
        reply: "v2 says \"hello\"".into(),
        ..NginxConfig::default()
    };
    let nginx = Nginx::start(&lab.v2, &config).unwrap();
    assert!(nginx.worker_id().unwrap() > 0);
    let mut client = RawClient::connect(&lab.client, address).unwrap();
    client
        .write(b"GET /path?q=1 HTTP/1.1\r\nHost: v2\r\nx-mirrored-by: podmirror\r\n\r\n")
        .unwrap();
    let reply = client.read_reply("GET").unwrap();
    assert_eq!(reply.body, Body::of(b"v2 says \"hello\""));
    // The line is written when the request is done, which may be after the client has the reply.
    for _ in 0..500 {
        if let Some(entry) = nginx.access_log().unwrap().first() {
            assert_eq!(entry.request_line, "GET /path?q=1 HTTP/1.1");
            assert_eq!(entry.mirrored_by, "podmirror");
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nothing in the access log");
}

#[test]
fn a_pulled_cable_is_silent() {
    let lab = Lab::new().unwrap();
    let address = Host::V1.address(Family::V4, 80);
    let server = RecordingServer::start(&lab.v1, address, Behaviour::Answer).unwrap();
    let mut client = RawClient::connect(&lab.client, address).unwrap();
    lab.set_cable(Host::V1, Cable::Pulled).unwrap();
    client.write(GET).unwrap();
    assert_eq!(server.wait_for(1, Duration::from_millis(100)), []);
    lab.set_cable(Host::V1, Cable::Plugged).unwrap();
    assert_eq!(client.read_reply("GET").unwrap().status, 200);
}

#[test]
fn big_tcp_is_accepted_by_every_link() {
    let lab = Lab::new().unwrap();
    lab.set_big_tcp(200_000).unwrap();
    let link = ["-details", "link", "show", "eth0"];
    let shown = lab.client.output(Command::new("ip").args(link)).unwrap();
    assert!(
        String::from_utf8(shown.stdout)
            .unwrap()
            .contains("gso_max_size 200000")
    );
}
