//! The same over HTTP/2: calls of gRPC, and nginx.

use std::{fs, net::SocketAddr, path::Path};

use lab::{Family, GrpcClient, GrpcServer, Host, Lab, Nginx, NginxConfig, packages};
use serde_json::Value;

use super::{address, differing, fields};
use crate::mirror::Mirror;

/// What differs where.
pub(super) type Named = &'static [(&'static str, &'static str)];

pub(super) fn named(wanted: Named) -> Vec<(String, String)> {
    let wanted = wanted.iter();
    let owned = wanted.map(|(group, name)| ((*group).to_owned(), (*name).to_owned()));
    owned.collect()
}

/// What a mirror to two baselines and a candidate, at ports 81, 83 and 82, says of what `play` asks v1.
fn compare(lab: &Lab, play: impl FnOnce(SocketAddr), flags: &[&str]) -> Value {
    let [first, second, candidate] = [(81, "baseline"), (83, "baseline"), (82, "candidate")]
        .map(|(port, role)| format!("http://{},role={role}", address(port)));
    let targets = ["--target", &second, "--target", &candidate];
    judge(lab, &first, play, &[&targets[..], flags].concat())
}

/// What a mirror to this target, with these flags, says in the end of what `play` asks v1.
pub(super) fn judge(
    lab: &Lab,
    target: &str,
    play: impl FnOnce(SocketAddr),
    flags: &[&str],
) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("verdict.json");
    // How fast they are is another test's.
    let judged = [
        "--compare-rate",
        "100%",
        "--verdict-json",
        file.to_str().unwrap(),
        "--latency-margin",
        "100000%",
    ];
    let room = [
        "--drain",
        "60s",
        "--reply-timeout",
        "60s",
        "--reply-body-timeout",
        "60s",
        "--max-memory",
        "256M",
    ];
    let mirror = Mirror::start(lab, target, &[&judged[..], &room, flags].concat());
    play(Host::V1.address(Family::V4, 80));
    mirror.stop();
    let written = fs::read_to_string(Path::new(&file)).unwrap();
    serde_json::from_str(&written).unwrap()
}

pub(super) const METHODS: [&str; 6] = [
    "--group-path",
    "/lab.Echo/Unary",
    "--group-path",
    "/lab.Echo/Expand",
    "--group-path",
    "/lab.Echo/Fail",
];

/// Calls of grpcio to versions of grpcio, one of which is changed.
fn calls(lab: &Lab, change: &str) -> Value {
    let start = |port, change| GrpcServer::start_changed(&lab.v2, address(port), change).unwrap();
    let v1 = Host::V1.address(Family::V4, 80);
    let _versions = [
        GrpcServer::start(&lab.v1, v1, None).unwrap(),
        start(81, "none"),
        start(82, change),
        start(83, "none"),
    ];
    let play = |v1| play_calls(lab, v1, ["unary", "expand", "fail"]);
    compare(lab, play, &METHODS)
}

/// 80 calls each of three methods.
pub(super) fn play_calls(lab: &Lab, v1: SocketAddr, scenes: [&str; 3]) {
    for scene in scenes {
        let calls = GrpcClient::play(&lab.client, v1, scene, 80).unwrap();
        assert_eq!((calls.made, calls.well), (80, 80), "{scene}");
    }
}

const UNARY: &str = "POST /lab.Echo/Unary";

/// What a changed server of gRPC does otherwise, and what is to be named for it.
pub(super) const GRPC_PLANTS: [(&str, Named); 8] = [
    ("none", &[]),
    ("byte", &[(UNARY, "grpc message")]),
    ("length", &[(UNARY, "grpc message length")]),
    ("header", &[(UNARY, "header x-new")]),
    ("trailer", &[(UNARY, "trailer x-new")]),
    ("gzip", &[(UNARY, "header grpc-encoding")]),
    ("messages", &[("POST /lab.Echo/Expand", "grpc messages")]),
    ("status", &[("POST /lab.Echo/Fail", "grpc-status")]),
];

#[test]
fn what_differs_in_calls_of_grpc_is_named_with_its_method_and_nothing_else_is() {
    let lab = Lab::new().unwrap();
    for (change, wanted) in GRPC_PLANTS {
        let report = calls(&lab, change);
        assert_eq!(report["compared"], 240, "{change}: {report:#}");
        assert_eq!(report["contents"]["compared"], 240, "{change}: {report:#}");
        assert_eq!(fields(&report), named(wanted), "{change}: {report:#}");
        let contents = (
            "contents".to_owned(),
            wanted.first().map(|it| it.0.to_owned()),
        );
        for (group, question) in differing(&report) {
            assert_eq!((question, Some(group)), contents, "{change}: {report:#}");
        }
    }
}

#[test]
fn calls_of_grpc_fail_by_their_status() {
    let lab = Lab::new().unwrap();
    for (change, question) in [("internal", "failures"), ("not_found", "client errors")] {
        let report = calls(&lab, change);
        let wanted = [("POST /lab.Echo/Unary".to_owned(), question.to_owned())];
        assert_eq!(differing(&report), wanted, "{change}: {report:#}");
        assert_eq!(fields(&report), [], "{change}: {report:#}");
        assert_eq!(report["compared"], 240);
        // A call that fails at one of them says something else than what they are compared in.
        assert_eq!(report["contents"]["compared"], 160, "{report:#}");
        assert_eq!(report["groups"]["POST /lab.Echo/Unary"][0]["baseline"], 0.0);
    }
}

/// nginx at v1, and three versions of it, the candidate with these locations.
fn pages(
    lab: &Lab,
    locations: &str,
    (count, paths): (usize, &[&str]),
    files: Vec<(&'static str, Vec<u8>)>,
) -> Value {
    let good = "location /pay { default_type application/json; add_header X-Total 2; \
                return 200 '{\"total\":2,\"at\":\"$request_id\"}'; }";
    let server = |port, more: &str| {
        let address = address(port);
        format!("server {{ listen {address} http2; {more} location / {{ return 200 ok; }} }} ")
    };
    let version = |listen, beside| NginxConfig {
        listen_http2: vec![listen],
        reply: "ok".into(),
        extra: good.to_owned(),
        beside,
        files: files.clone(),
        ..NginxConfig::default()
    };
    let v1 = Host::V1.address(Family::V4, 80);
    let beside = server(82, locations) + &server(83, good);
    let _versions = [
        Nginx::start(&lab.v1, &version(v1, String::new())).unwrap(),
        Nginx::start(&lab.v2, &version(address(81), beside)).unwrap(),
    ];
    compare(lab, |v1| load(lab, v1, count, paths), &[])
}

/// So many requests over HTTP/2 to each of these paths.
pub(super) fn load(lab: &Lab, v1: SocketAddr, count: usize, paths: &[&str]) {
    let count = (count * paths.len()).to_string();
    let urls = paths.iter().map(|path| format!("http://{v1}{path}"));
    let mut command = std::process::Command::new(packages::require("h2load").unwrap());
    command
        .args(["-n", &count, "-c", "2", "-m", "8"])
        .args(urls);
    let output = lab.client.output(&mut command).unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_differs_in_pages_over_http2_is_named() {
    let lab = Lab::new().unwrap();
    let other = "location /pay { default_type application/json; \
                 return 200 '{\"total\":3,\"at\":\"$request_id\"}'; }";
    let report = pages(&lab, other, (100, &["/users", "/pay"]), Vec::new());
    assert_eq!(report["contents"]["compared"], 200, "{report:#}");
    let wanted: Named = &[("GET /pay", "header x-total"), ("GET /pay", "json $.total")];
    assert_eq!(fields(&report), named(wanted), "{report:#}");
}

/// Deep and long JSON, and what is called gzip: counted, and nothing else is touched by it.
#[test]
fn hostile_replies_over_http2_are_counted() {
    let lab = Lab::new().unwrap();
    let many: String = (0..1_000_000).map(|it| format!("\"{it}\":0,")).collect();
    let files = vec![
        ("deep", "[".repeat(60_000).into_bytes()),
        ("many", format!("{{{many}\"\":0}}").into_bytes()),
        ("none", b"no gzip".to_vec()),
    ];
    let locations = "default_type application/json; root .; \
                     location = /deep {} location = /many {} \
                     location = /none { add_header Content-Encoding gzip; }";
    let paths = ["/users", "/deep", "/many", "/none"];
    let report = pages(&lab, locations, (10, &paths), files);
    let not_compared = &report["contents"]["not_compared"];
    assert_eq!(report["contents"]["compared"], 20, "{report:#}");
    let counted = ["too_deep", "too_long", "incomplete"].map(|why| not_compared[why].as_u64());
    assert_eq!(counted, [Some(10), Some(10), Some(0)], "{not_compared:#}");
    // What is no gzip is told; of what was not compared, nothing is.
    let fields = report["fields"].as_array().unwrap().iter();
    let named: Vec<_> = fields
        .map(|it| (it["group"].as_str(), it["field"].as_str()))
        .collect();
    let encoding = (Some("GET /none"), Some("body encoding"));
    assert!(named.contains(&encoding), "{named:?}");
    for group in ["GET /deep", "GET /many"] {
        assert!(named.iter().all(|it| it.0 != Some(group)), "{named:?}");
    }
}
