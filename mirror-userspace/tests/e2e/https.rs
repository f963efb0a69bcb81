//! A target that speaks TLS, with a certificate that it has made itself.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use lab::{
    Behaviour, Family, Host, Lab, Nginx, NginxConfig, RawClient, RecordingServer, Scratch, packages,
};

use crate::{mirror::Mirror, scene::PATIENCE, traffic::get};

/// v2 with a certificate for its address, in the file that is told.
fn v2(lab: &Lab, folder: &Scratch) -> (Nginx, String) {
    let [key, certificate] = ["key.pem", "certificate.pem"].map(|name| folder.path().join(name));
    let address = Host::V2.address(Family::V4, 443);
    let mut openssl = Command::new(packages::require("openssl").unwrap());
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
    ]);
    openssl.args(["-nodes", "-days", "2", "-subj", "/CN=v2", "-addext"]);
    openssl.arg(format!("subjectAltName=IP:{}", address.ip()));
    openssl
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    let output = openssl.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let beside = format!(
        "server {{ listen {address} ssl; ssl_certificate {}; ssl_certificate_key {}; \
         location / {{ return 200 hello; }} }}",
        certificate.display(),
        key.display()
    );
    let config = NginxConfig {
        listen: vec![Host::V2.address(Family::V4, 81)],
        access_log: true,
        beside,
        ..NginxConfig::default()
    };
    let nginx = Nginx::start(&lab.v2, &config).unwrap();
    (nginx, certificate.display().to_string())
}

/// Five requests, each answered by v1.
fn converse(lab: &Lab, v1: &RecordingServer) {
    let mut client = RawClient::connect(&lab.client, v1.address()).unwrap();
    for n in 0..5 {
        client.write(&get(&format!("/{n}"))).unwrap();
        assert_eq!(client.read_reply("GET").unwrap().status, 200);
    }
}

#[test]
fn a_certificate_that_v2_made_itself_is_taken_if_it_is_named_and_else_told_once() {
    let lab = Lab::new().unwrap();
    let folder = Scratch::create("https").unwrap();
    let (nginx, certificate) = v2(&lab, &folder);
    let v1 = Host::V1.address(Family::V4, 80);
    let v1 = RecordingServer::start(&lab.v1, v1, Behaviour::Answer).unwrap();
    let to = format!("https://{}", Host::V2.address(Family::V4, 443));

    let trusting = Mirror::start(&lab, &to, &["--target-ca", &certificate]);
    converse(&lab, &v1);
    let deadline = Instant::now() + PATIENCE;
    while nginx.access_log().unwrap().len() < 5 {
        assert!(Instant::now() < deadline, "{}", trusting.ask());
        std::thread::sleep(Duration::from_millis(50));
    }
    let entries = nginx.access_log().unwrap();
    assert!(
        entries
            .iter()
            .all(|entry| entry.status == 200 && entry.mirrored_by == "podmirror")
    );
    trusting.stop().assert_all_answered(5);

    // Without the breaker each copy would meet the same certificate; it is said once.
    let doubting = Mirror::start(&lab, &to, &["--shards", "1"]);
    converse(&lab, &v1);
    doubting.wait_for("the target's certificate is not accepted");
    converse(&lab, &v1);
    let (ledger, said) = doubting.stop_and_read();
    let told = said
        .lines()
        .filter(|line| line.contains("certificate is not accepted"));
    assert_eq!(told.count(), 1, "{said}");
    assert!(ledger.count("replies/failed/tls") > 0, "{ledger:?}");
    assert_eq!(ledger.count("replies/answered"), 0);
    assert_eq!(nginx.access_log().unwrap().len(), 5, "nothing more came");
}
