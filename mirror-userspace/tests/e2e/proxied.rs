//! What a load balancer says of its clients: haproxy before v1, and nginx as v1 and v2, which read its PROXY header.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use lab::{Family, Host, Lab, Nginx, NginxConfig, Scratch, packages};

use crate::{
    mirror::Mirror,
    scene::{PATIENCE, target},
};

/// A server that demands a PROXY header, and writes whom it names to the file.
fn server(lab: &Lab, host: Host, log: &Path) -> Nginx {
    let address = host.address(Family::V4, 80);
    let config = NginxConfig {
        listen: vec![host.address(Family::V4, 81)],
        extra: format!(
            "listen {address} proxy_protocol; access_log {} who;",
            log.display()
        ),
        beside: "log_format who '$proxy_protocol_addr:$proxy_protocol_port $request';".to_owned(),
        ..NginxConfig::default()
    };
    Nginx::start(lab.namespace(host), &config).unwrap()
}

/// `frontend` takes clients, and tells v1 of them in this version of the protocol.
fn balancer(port: u16, sends: &str) -> String {
    format!(
        "listen f{port}\n bind 127.0.0.1:{port}\n server v1 10.77.0.10:80 {sends}\n \
         http-reuse never\n"
    )
}

fn lines(log: &Path, count: usize) -> BTreeSet<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(log).unwrap_or_default();
        let lines: BTreeSet<String> = text.lines().map(str::to_owned).collect();
        if lines.len() >= count || Instant::now() > deadline {
            return lines;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn v2_is_told_of_the_same_clients_as_v1() {
    let lab = Lab::new().unwrap();
    let folder = Scratch::create("proxied").unwrap();
    let (log1, log2) = (folder.path().join("v1.log"), folder.path().join("v2.log"));
    let _v1 = server(&lab, Host::V1, &log1);
    let _v2 = server(&lab, Host::V2, &log2);
    let config = folder.path().join("haproxy.cfg");
    let defaults =
        "defaults\n mode http\n timeout connect 30s\n timeout client 30s\n timeout server 30s\n";
    let versions = [(8001, "send-proxy"), (8002, "send-proxy-v2")];
    let listeners = versions.map(|(port, sends)| balancer(port, sends)).concat();
    fs::write(&config, format!("{defaults}{listeners}")).unwrap();
    let mut haproxy = Command::new(packages::require("haproxy").unwrap());
    haproxy.arg("-db").arg("-f").arg(&config);
    let _haproxy = lab.client.spawn(&mut haproxy).unwrap();
    // More connections than the target may have at once: each copy has one of its own.
    let flags = ["--proxy-protocol", "--target-connections", "2"];
    let mirror = Mirror::start(&lab, &target(Family::V4), &flags);
    let mut asked = 0;
    for (port, _) in versions {
        for client in 2..6 {
            let mut curl = Command::new(packages::require("curl").unwrap());
            let from = format!("127.0.0.{client}");
            curl.args(["-s", "--fail", "--retry", "30", "--retry-connrefused"]);
            curl.args(["--interface", &from]);
            for number in 0..3 {
                curl.arg(format!("http://127.0.0.1:{port}/{client}/{number}"));
                asked += 1;
            }
            let output = lab.client.output(&mut curl).unwrap();
            assert!(output.status.success(), "{output:?}");
        }
    }
    let at_v1 = lines(&log1, asked);
    let at_v2 = lines(&log2, asked);
    let ledger = mirror.stop();
    assert_eq!(at_v1.len(), asked, "{at_v1:?}");
    assert_eq!(at_v2, at_v1, "{ledger:?}");
    assert!(at_v1.iter().any(|line| line.starts_with("127.0.0.5:")));
    ledger.assert_all_answered(asked);
}
