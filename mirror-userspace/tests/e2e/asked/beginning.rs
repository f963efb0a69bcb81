//! From the first segment on: which ports have connections, the kernel is asked before it is attached to.

use std::{net::SocketAddr, process::Command};

use lab::{Behaviour, Family, Lab, RawClient, RecordingServer, packages};

use super::forge::{Forged, Wire};
use crate::{
    mirror::Mirror,
    scene::{PATIENCE, Scene, servers, target},
    traffic::get,
};

fn ask(client: &mut RawClient, target: &str) -> usize {
    client.write(&get(target)).unwrap();
    let reply = client.read_reply("GET").unwrap();
    reply.head.len() + usize::try_from(reply.body.len).unwrap()
}

/// A lab in which `client` has asked v1 before the mirror starts; what it would send next, of no connection.
fn begin(family: Family, flags: &[&str]) -> (Scene, RawClient, Wire, Forged) {
    let lab = Lab::new().unwrap();
    let (v1, v2) = servers(&lab, family);
    let wire = Wire::open(&lab);
    let mut client = RawClient::connect(&lab.client, v1.address()).unwrap();
    let reply = ask(&mut client, "/before");
    v1.wait_for(1, PATIENCE);
    v1.clear();
    let port = client.local_address().unwrap().port();
    let stray = Forged {
        source_port: 9,
        payload: get("/forged"),
        ..wire.next_of(port, reply)
    };
    let mirror = Mirror::start(&lab, &target(family), flags);
    let scene = Scene {
        mirror,
        v1,
        v2,
        lab,
        family,
    };
    (scene, client, wire, stray)
}

#[test]
fn what_is_forged_is_refused_before_the_first_true_segment() {
    // Nobody waits for v1 to acknowledge anything, so that what is not refused is mirrored.
    let flags = ["--replies", "off", "--confirm", "none"];
    for family in [Family::V4, Family::V6] {
        for ring in ["bpf", "perf"] {
            let flags = [&flags[..], &["--ring", ring]].concat();
            let (scene, _client, wire, stray) = begin(family, &flags);
            wire.send(&stray);
            assert_eq!(scene.request("GET", &get("/true")), 200);
            let ledger = scene.assert_mirrored(1);
            assert_eq!(ledger.count("segments/refused/listen"), 1, "{ledger:?}");
            assert_eq!(ledger.count("segments/unasked"), 0, "{ledger:?}");
        }
    }
}

/// Behind a redirect, a proxy connects to the port from within: that is no connection as frames name it.
#[test]
fn connections_within_the_pod_prove_nothing() {
    let lab = Lab::new().unwrap();
    let rules = "table ip mesh { chain inbound { type nat hook prerouting priority -100; \
                 tcp dport 80 redirect to :8443; }\n}";
    let mut nft = Command::new(packages::require("nft").unwrap());
    let output = lab.v1.output(nft.arg(rules)).unwrap();
    assert!(output.status.success(), "{output:?}");
    let (v1, v2) = servers(&lab, Family::V4);
    let proxy = SocketAddr::new(v1.address().ip(), 8_443);
    let proxy = RecordingServer::start(&lab.v1, proxy, Behaviour::Answer).unwrap();
    let mut within = RawClient::connect(&lab.v1, v1.address()).unwrap();
    ask(&mut within, "/within");
    let mirror = Mirror::start(&lab, &target(Family::V4), &[]);
    for n in 0..10 {
        let mut client = RawClient::connect(&lab.client, v1.address()).unwrap();
        ask(&mut client, &format!("/{n}"));
    }
    assert_eq!(proxy.requests().len(), 10);
    assert_eq!(v2.wait_for(10, PATIENCE).len(), 10, "{}", mirror.ask());
    let ledger = mirror.stop();
    assert_eq!(ledger.count("segments/refused"), 0, "{ledger:?}");
    assert!(ledger.count("segments/unasked") >= 10);
}
