//! Where nobody can be asked: nothing is lost, and it is said.

use std::{net::SocketAddr, process::Command};

use lab::{Behaviour, Family, Lab, RawClient, RecordingServer, packages};

use crate::{
    admin::{ADDRESS, body},
    mirror::Mirror,
    scene::{PATIENCE, Scene, servers, target},
    traffic::get,
};

const NOT_ASKED: &str = "ready; v1's kernel not asked at 1 of 1 interfaces\n";

#[test]
fn behind_a_redirect_inside_the_pod() {
    let lab = Lab::new().unwrap();
    // As a mesh does it, which leaves the node's probes alone.
    let rules = "table ip mesh { chain inbound { type nat hook prerouting priority -100; \
                 ip saddr != 10.77.0.1 tcp dport 80 redirect to :15006; }\n}";
    let mut nft = Command::new(packages::require("nft").unwrap());
    let output = lab.v1.output(nft.arg(rules)).unwrap();
    assert!(output.status.success(), "{output:?}");
    let scene = Scene::in_lab(lab, Family::V4, &["--admin-address", ADDRESS]);
    let address = SocketAddr::new(scene.v1.address().ip(), 15_006);
    let proxy = RecordingServer::start(&scene.lab.v1, address, Behaviour::Answer).unwrap();
    let mut probe = RawClient::connect(&scene.lab.node, scene.v1.address()).unwrap();
    probe.write(&get("/probe")).unwrap();
    probe.read_reply("GET").unwrap();
    for n in 0..10 {
        assert_eq!(scene.request("GET", &get(&format!("/{n}"))), 200);
    }
    assert_eq!(proxy.requests().len(), 10);
    assert_eq!(
        scene.v2.wait_for(11, PATIENCE).len(),
        11,
        "{}",
        scene.mirror.ask()
    );
    assert_eq!(body(&scene, "/readyz"), NOT_ASKED);
    let said = scene.mirror.ask();
    assert!(said.contains("v1's kernel not asked"), "{said}");
    let ledger = scene.mirror.stop();
    assert_eq!(ledger.count("segments/refused"), 0);
    assert!(ledger.count("segments/unasked") >= 10);
}

#[test]
fn at_the_hosts_end_and_where_it_is_not_wanted() {
    let lab = Lab::new().unwrap();
    let (v1, v2) = servers(&lab, Family::V4);
    let to = target(Family::V4);
    let host = ["--interface", "v1", "--attach", "egress"];
    let pod = ["--interface", "eth0", "--netns", lab.v1.name()];
    let off = ["--ask-kernel", "off"];
    let mut count = 0;
    for (place, flags) in [(&host[..], &[][..]), (&pod[..], &off[..])] {
        let common = ["--port", "80", "--target", &to, "--admin-address", ADDRESS];
        let mirror = Mirror::start_with(&lab.node, &[place, &common, flags].concat());
        let mut client = RawClient::connect(&lab.client, v1.address()).unwrap();
        client.write(&get(&format!("/{count}"))).unwrap();
        client.read_reply("GET").unwrap();
        count += 1;
        assert_eq!(v2.wait_for(count, PATIENCE).len(), count);
        let ledger = mirror.stop();
        assert_eq!(
            ledger.count("segments/unasked"),
            ledger.count("segments/copied")
        );
    }
}
