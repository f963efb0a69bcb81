//! A candidate is compared with v1 itself, whose replies are captured.

use std::net::SocketAddr;

use lab::{Family, GrpcServer, Host, Lab, Nginx, NginxConfig, RawClient};
use serde_json::Value;

use super::{
    address, differing, fields,
    http2::{GRPC_PLANTS, METHODS, Named, judge, load, named, play_calls},
};
use crate::traffic::get;

/// Bodies of some kilobytes are captured whole.
const WHOLE: [&str; 2] = ["--reply-head", "16K"];

/// What a mirror to a candidate at port 82 says in the end of what `play` asks v1.
fn compare(lab: &Lab, play: impl FnOnce(SocketAddr), flags: &[&str]) -> Value {
    let candidate = format!("http://{},role=candidate", address(82));
    judge(
        lab,
        &candidate,
        play,
        &[&["--compare", "v1"], flags].concat(),
    )
}

/// Calls of grpcio to v1, and to a version of it that is changed.
fn calls(lab: &Lab, change: &str, flags: &[&str]) -> Value {
    let v1 = Host::V1.address(Family::V4, 80);
    let _versions = [
        GrpcServer::start(&lab.v1, v1, None).unwrap(),
        GrpcServer::start_changed(&lab.v2, address(82), change).unwrap(),
    ];
    // What v1 answers to the same calls tells what differs by itself.
    let play = |v1| play_calls(lab, v1, ["same-unary", "same-expand", "same-fail"]);
    compare(lab, play, &[&METHODS[..], flags].concat())
}

fn not_compared(report: &Value) -> u64 {
    let reasons = report["contents"]["not_compared"].as_object().unwrap();
    reasons.values().map(|it| it.as_u64().unwrap()).sum()
}

#[test]
fn what_differs_from_v1_in_calls_of_grpc_is_named_with_its_method_and_nothing_else_is() {
    let lab = Lab::new().unwrap();
    for (change, wanted) in GRPC_PLANTS {
        let report = calls(&lab, change, &WHOLE);
        assert_eq!(report["compared"], 240, "{change}: {report:#}");
        assert_eq!(report["contents"]["compared"], 240, "{change}: {report:#}");
        assert_eq!(not_compared(&report), 0, "{change}: {report:#}");
        assert_eq!(fields(&report), named(wanted), "{change}: {report:#}");
        let group = wanted.first().map(|it| it.0);
        for (differs, question) in differing(&report) {
            let found = (Some(&*differs), &*question);
            assert_eq!(found, (group, "contents"), "{change}: {report:#}");
        }
    }
}

#[test]
fn calls_of_grpc_fail_by_their_status_where_v1s_did_not() {
    let lab = Lab::new().unwrap();
    for (change, question) in [("internal", "failures"), ("not_found", "client errors")] {
        let report = calls(&lab, change, &WHOLE);
        let wanted = [("POST /lab.Echo/Unary".to_owned(), question.to_owned())];
        assert_eq!(differing(&report), wanted, "{change}: {report:#}");
        assert_eq!(fields(&report), [], "{change}: {report:#}");
        assert_eq!(report["compared"], 240, "{change}: {report:#}");
        assert_eq!(report["groups"]["POST /lab.Echo/Unary"][0]["baseline"], 0.0);
    }
}

/// The first bytes of each segment, as is usual: what they have is compared, the rest is counted.
#[test]
fn what_is_not_captured_of_calls_is_counted_and_nothing_is_named_by_it() {
    let lab = Lab::new().unwrap();
    let plants: [(&str, Named); 3] = [
        ("none", &[]),
        ("messages", &[]),
        ("status", &[("POST /lab.Echo/Fail", "grpc-status")]),
    ];
    for (change, wanted) in plants {
        let report = calls(&lab, change, &[]);
        let count = |value: &Value| value.as_u64().unwrap();
        let seen = count(&report["compared"]) + count(&report["not_compared"]);
        assert_eq!(seen, 240, "{change}: {report:#}");
        assert!(
            count(&report["contents"]["compared"]) >= 80,
            "{change}: {report:#}"
        );
        assert!(not_compared(&report) > 0, "{change}: {report:#}");
        assert_eq!(fields(&report), named(wanted), "{change}: {report:#}");
    }
}

const GOOD: &str = "location /pay { default_type application/json; add_header X-Total 2; \
                    return 200 '{\"total\":2,\"at\":\"$request_id\"}'; }";
const OTHER: &str = "location /pay { default_type application/json; \
                     return 200 '{\"total\":3,\"at\":\"$request_id\"}'; }";

/// nginx at v1, and a version of it with these locations; `http2` says what both speak.
fn pages(lab: &Lab, locations: &str, http2: bool, play: impl FnOnce(SocketAddr)) -> Value {
    let v1 = Host::V1.address(Family::V4, 80);
    let version = |listen: SocketAddr, extra: &str| {
        let (listen, listen_http2) = match http2 {
            true => (vec![], vec![listen]),
            false => (vec![listen], vec![]),
        };
        NginxConfig {
            listen,
            listen_http2,
            reply: "ok".into(),
            extra: extra.to_owned(),
            ..NginxConfig::default()
        }
    };
    let _versions = [
        Nginx::start(&lab.v1, &version(v1, GOOD)).unwrap(),
        Nginx::start(&lab.v2, &version(address(82), locations)).unwrap(),
    ];
    // Several replies may be in a segment.
    compare(
        lab,
        play,
        &[&WHOLE[..], &["--ignore-json", "$.at"]].concat(),
    )
}

const PLANTS: [(&str, Named); 2] = [
    (GOOD, &[]),
    (
        OTHER,
        &[("GET /pay", "header x-total"), ("GET /pay", "json $.total")],
    ),
];

#[test]
fn what_differs_from_v1_in_pages_over_http2_is_named() {
    let lab = Lab::new().unwrap();
    for (locations, wanted) in PLANTS {
        let play = |v1| load(&lab, v1, 100, &["/users", "/pay"]);
        let report = pages(&lab, locations, true, play);
        assert_eq!(report["compared"], 200, "{report:#}");
        assert_eq!(fields(&report), named(wanted), "{report:#}");
        assert_eq!(report["contents"]["compared"], 200, "{report:#}");
        assert_eq!(not_compared(&report), 0, "{report:#}");
    }
}

#[test]
fn what_differs_from_v1_in_pages_over_http1_is_named() {
    let lab = Lab::new().unwrap();
    for (locations, wanted) in PLANTS {
        let report = pages(&lab, locations, false, |v1| {
            for _ in 0..25 {
                let mut client = RawClient::connect(&lab.client, v1).unwrap();
                for path in ["/users", "/pay"].iter().cycle().take(8) {
                    client.write(&get(path)).unwrap();
                    client.read_reply("GET").unwrap();
                }
            }
        });
        assert_eq!(report["compared"], 200, "{report:#}");
        assert_eq!(report["contents"]["compared"], 200, "{report:#}");
        assert_eq!(not_compared(&report), 0, "{report:#}");
        assert_eq!(fields(&report), named(wanted), "{report:#}");
    }
}
