//! A baseline and a candidate get the same requests: is the candidate as good?

mod http2;
mod planted;
mod served;
mod slower;
mod with_v1;

use std::{fs, net::SocketAddr, path::Path};

use lab::{Behaviour, Family, Host, Lab, Nginx, NginxConfig, RawClient, RecordingServer};
use serde_json::Value;

use crate::{
    mirror::{Mirror, podmirror},
    traffic::get,
};

const PATHS: [&str; 3] = ["/users/7", "/orders?new", "/pay/1"];

fn address(port: u16) -> SocketAddr {
    Host::V2.address(Family::V4, port)
}

/// One server at port 81, and one at port 82 that has these lines more.
fn versions(lab: &Lab, more: &str) -> Nginx {
    let config = NginxConfig {
        listen: vec![address(81)],
        reply: "ok".into(),
        beside: format!(
            "server {{ listen {}; {more} location / {{ return 200 ok; }} }}",
            address(82)
        ),
        ..NginxConfig::default()
    };
    Nginx::start(&lab.v2, &config).unwrap()
}

/// Mirrors 300 requests to both versions; asks for the verdict while it runs, for so long, and returns the
/// exit code of that and what is written at the end.
fn compare(lab: &Lab, wait: &str, flags: &[&str]) -> (i32, Value) {
    const REQUESTS: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (socket, file) = (path("admin.sock"), path("verdict.json"));
    let v1 = Host::V1.address(Family::V4, 80);
    let _v1 = RecordingServer::start(&lab.v1, v1, Behaviour::Answer).unwrap();
    let baseline = format!("http://{},role=baseline", address(81));
    let candidate = format!("http://{},role=candidate", address(82));
    let more = [
        "--target",
        &candidate,
        "--admin-socket",
        &socket,
        "--verdict-json",
        &file,
    ];
    let mirror = Mirror::start(lab, &baseline, &[&more[..], flags].concat());
    for path in PATHS.iter().cycle().take(REQUESTS) {
        let mut client = RawClient::connect(&lab.client, v1).unwrap();
        client.write(&get(path)).unwrap();
        client.read_reply("GET").unwrap();
    }
    let asked = podmirror(["verdict", "--wait", wait, "--admin-socket", &socket])
        .output()
        .unwrap();
    let ledger = mirror.stop();
    let targets = 2 + flags.iter().filter(|flag| **flag == "--target").count();
    assert_eq!(ledger.count("requests/framed"), (targets * REQUESTS) as u64);
    let written = fs::read_to_string(Path::new(&file)).unwrap();
    (
        asked.status.code().unwrap(),
        serde_json::from_str(&written).unwrap(),
    )
}

/// The fields that differ, with their groups.
fn fields(report: &Value) -> Vec<(String, String)> {
    let fields = report["fields"].as_array().unwrap().iter();
    let differs = fields.filter(|it| it["verdict"] == "differs" && !it["group"].is_null());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut named: Vec<_> = differs
        .map(|it| (text(&it["group"]), text(&it["field"])))
        .collect();
    named.sort_unstable();
    named
}

/// The groups and questions that differ.
fn differing(report: &Value) -> Vec<(String, String)> {
    let groups = report["groups"].as_object().unwrap();
    let findings = groups.iter().flat_map(|(group, findings)| {
        let findings = findings.as_array().unwrap().iter();
        findings.map(move |finding| (group.clone(), finding))
    });
    let differing = findings.filter(|(_, finding)| finding["verdict"] == "differs");
    differing
        .map(|(group, finding)| (group, finding["question"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn a_candidate_that_fails_on_one_route_is_named_with_it() {
    let lab = Lab::new().unwrap();
    let _versions = versions(&lab, "location /pay { return 503; }");
    let (code, report) = compare(&lab, "30s", &[]);
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(report["verdict"], "differs");
    assert_eq!(report["compared"], 300);
    let wanted = ("GET /pay".to_owned(), "failures".to_owned());
    assert_eq!(differing(&report), [wanted], "{report:#}");
    let failures = &report["findings"][0];
    assert_eq!(
        (&failures["question"], &failures["verdict"]),
        (&"failures".into(), &"differs".into())
    );
    assert_eq!(failures["baseline"], 0.0);
    assert!((failures["candidate"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-9);
}

/// Two baselines and a candidate, whose `/pay` answers with another number and without a header.
#[test]
fn what_differs_in_replies_is_named() {
    let lab = Lab::new().unwrap();
    let pay = |more: &str| format!("location /pay {{ default_type application/json; {more} }}");
    let good = pay(r#"add_header X-Total 2; return 200 '{"total":2,"at":"$request_id"}';"#);
    let other = pay(r#"return 200 '{"total":3,"at":"$request_id"}';"#);
    let server = |port, more: &str| {
        format!(
            "server {{ listen {}; {more} location / {{ return 200 ok; }} }} ",
            address(port)
        )
    };
    let config = NginxConfig {
        listen: vec![address(81)],
        reply: "ok".into(),
        extra: good.clone(),
        beside: server(82, &other) + &server(83, &good),
        ..NginxConfig::default()
    };
    let _versions = Nginx::start(&lab.v2, &config).unwrap();
    let second = format!("http://{},role=baseline", address(83));
    let flags = ["--target", &second, "--compare-rate", "100%"];
    let (code, report) = compare(&lab, "30s", &flags);
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(report["contents"]["compared"], 300, "{report:#}");
    let on_pay = |field: &str| ("GET /pay".to_owned(), field.to_owned());
    let wanted = [on_pay("header x-total"), on_pay("json $.total")];
    assert_eq!(fields(&report), wanted, "{report:#}");
}

#[test]
fn groups_are_those_that_were_asked_for() {
    let lab = Lab::new().unwrap();
    let _versions = versions(&lab, "location /orders { return 404; }");
    let flags = ["--group-path", "/users/*", "--group-path", "~^/[op]"];
    let (code, report) = compare(&lab, "30s", &flags);
    assert_eq!(code, 1, "{report:#}");
    let groups: Vec<&String> = report["groups"].as_object().unwrap().keys().collect();
    assert_eq!(groups, ["GET /users/*", "GET ~^/[op]"]);
    let wanted = ("GET ~^/[op]".to_owned(), "client errors".to_owned());
    assert_eq!(differing(&report), [wanted], "{report:#}");
}

/// Nothing differs, and 300 requests are too few to say that nothing does.
#[test]
fn equal_versions_do_not_differ() {
    let lab = Lab::new().unwrap();
    let _versions = versions(&lab, "");
    let (code, report) = compare(&lab, "0s", &[]);
    assert_eq!(code, 3, "{report:#}");
    assert_eq!(report["verdict"], "not enough yet");
    assert_eq!(differing(&report), [], "{report:#}");
    // With margins as wide as this they are enough.
    let margins = ["--margin", "10%", "--latency-margin", "1000%"];
    let flags = [&margins[..], &["--compare-rate", "100%"]].concat();
    let (code, report) = compare(&lab, "30s", &flags);
    assert_eq!(
        (code, &report["verdict"]),
        (0, &"same".into()),
        "{report:#}"
    );
}

#[test]
fn without_roles_there_is_no_verdict() {
    let lab = Lab::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let socket = socket.to_str().unwrap();
    let flags = ["--admin-socket", socket];
    let mirror = Mirror::start(&lab, &format!("http://{}", address(81)), &flags);
    let asked = podmirror(["verdict", "--admin-socket", socket])
        .output()
        .unwrap();
    assert_eq!(asked.status.code(), Some(4));
    let said = String::from_utf8(asked.stderr).unwrap();
    assert!(said.contains("role=baseline"), "{said}");
    mirror.stop();
}
