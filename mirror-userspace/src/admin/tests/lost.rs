//! The last losses: who is told of them, and what.

use std::time::Duration;

use mirror_capture::file::CaptureFile;
use mirror_core::{
    lost::{Loss, Remembered, Why},
    segment::{Direction, FlowId, SeqNum, TcpFlags, Time},
};
use mirror_runtime::Lost;
use serde_json::Value;

use super::*;
use crate::admin::LostOf;

const SYN: u8 = 2;
const ACK: u8 = 16;

fn remembered(direction: Direction, seq: u32, flags: u8, bytes: &[u8]) -> Remembered {
    Remembered {
        at: Time::from_nanos(u64::from(seq) * 1_000_000),
        direction,
        seq: SeqNum(seq),
        ack: (flags & ACK != 0).then_some(SeqNum(9)),
        flags: TcpFlags(flags),
        len: 100,
        bytes: bytes.into(),
    }
}

/// A request that timed out at the second target, and one that nobody knows anything of.
fn losses() -> LostOf {
    let flow = FlowId {
        client: SocketAddr::from(([10, 0, 0, 1], 4_000)).into(),
        server: SocketAddr::from(([10, 1, 0, 1], 80)).into(),
        attachment: 0,
    };
    let known = Loss {
        number: 8,
        at: Time::from_nanos(2_500_000_000),
        why: Why::failed("timeout"),
        cause: None,
        count: 1,
        flow: Some(flow),
        target: Some(1),
        line: Some("GET /a HTTP/1.1".into()),
        segments: vec![
            remembered(Direction::ToServer, 1, SYN, b""),
            remembered(Direction::ToServer, 2, ACK, b"GET /a H"),
            remembered(Direction::ToClient, 3, ACK, b""),
        ],
    };
    let unknown = Loss {
        number: 7,
        why: Why {
            row: "segments",
            reason: "ring_full",
        },
        count: 12,
        flow: None,
        target: None,
        line: None,
        segments: Vec::new(),
        ..known.clone()
    };
    LostOf {
        rule: "flags".into(),
        targets: vec!["http://v2".into(), "http://v3".into()],
        keep: 100,
        lost: Lost {
            losses: vec![known, unknown],
            not_kept: 5,
        },
        epoch: Duration::from_secs(1_000),
    }
}

async fn keeping() -> Server {
    let mut owner = Owner::new();
    owner.lost = vec![losses()];
    answered(patient(), owner).await
}

/// As a browser or `podmirror why` on this machine asks.
async fn look(at: SocketAddr, path: &str, lines: &str) -> Reply {
    let request = format!("GET {path} HTTP/1.1\r\n{lines}\r\n");
    exchange(at, request.as_bytes()).await.unwrap()
}

const LOCAL: &str = "Host: 127.0.0.1:9090\r\n";

#[tokio::test]
async fn they_are_told_with_what_is_known_and_what_helps() {
    let admin = keeping().await;
    for at in [admin.address(), admin.page()] {
        let reply = look(at, "/lost", LOCAL).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let told: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!([&told["keep"], &told["not_kept"]], [100, 5]);
        let loss = &told["lost"][0];
        for (key, value) in [
            ("rule", "flags"),
            ("target", "http://v3"),
            ("request", "GET /a HTTP/1.1"),
            ("row", "replies.failed"),
            ("reason", "timeout"),
        ] {
            assert_eq!(loss[key], value, "{key}");
        }
        assert_eq!(loss["id"], 8);
        assert_eq!(loss["at"], 1_002.5);
        assert_eq!(loss["flow"]["client"], "10.0.0.1:4000");
        assert!(
            loss["helps"].as_str().unwrap().contains("--reply-timeout"),
            "{loss}"
        );
        assert_eq!(loss["segments"][1]["bytes"], "474554202f612048");
        assert_eq!(loss["segments"][0]["flags"], "SYN");
        assert_eq!(loss["segments"][2]["from"], "v1");
        let full = &told["lost"][1];
        assert_eq!(
            (&full["count"], &full["flow"], &full["request"]),
            (&12.into(), &Value::Null, &Value::Null)
        );
    }
}

#[tokio::test]
async fn one_is_asked_for_by_its_number() {
    let admin = keeping().await;
    let ids = async |query: &str| {
        let reply = look(admin.address(), &format!("/lost?{query}"), LOCAL).await;
        assert_eq!(reply.status, 200, "{query}");
        let told: Value = serde_json::from_str(&reply.body).unwrap();
        let all = told["lost"].as_array().unwrap().clone();
        all.iter()
            .map(|loss| loss["id"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("id=7").await, [7]);
    assert_eq!(ids("id=7,8").await, [8, 7]);
    assert_eq!(ids("id=1").await, [0_u64; 0]);
    for query in ["id=", "id=x", "id=1,", "flow=a", "id=-1"] {
        let reply = look(admin.address(), &format!("/lost?{query}"), LOCAL).await;
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.body.contains("accepted: id=N"));
    }
    let many: Vec<_> = (0..101).map(|id| id.to_string()).collect();
    let many = format!("/lost?id={}", many.join(","));
    assert_eq!(look(admin.address(), &many, LOCAL).await.status, 400);
}

#[tokio::test]
async fn no_name_that_leads_here_and_no_other_site_is_told() {
    let admin = keeping().await;
    for (lines, status) in [
        ("Host: rebound.example\r\n", 421),
        ("", 421),
        ("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", 403),
        ("Host: localhost\r\nSec-Fetch-Site: same-site\r\n", 403),
        ("Host: localhost\r\nx-mirrored-by: podmirror\r\n", 403),
        ("Host: localhost\r\nSec-Fetch-Site: same-origin\r\n", 200),
    ] {
        for at in [admin.address(), admin.page()] {
            for path in ["/lost", "/lost.pcapng"] {
                // Without Host, hyper itself may refuse.
                let reply = exchange_raw(at, &format!("GET {path} HTTP/1.1\r\n{lines}\r\n")).await;
                assert_eq!(reply, status, "{path} {lines:?}");
            }
        }
    }
    let put = format!("PUT /lost HTTP/1.1\r\n{LOCAL}\r\n");
    assert_eq!(exchange_raw(admin.address(), &put).await, 405);
}

/// The status alone: the body may be no text.
async fn exchange_raw(at: SocketAddr, request: &str) -> u16 {
    let bytes = exchange_bytes(at, request).await;
    let head = String::from_utf8_lossy(&bytes).into_owned();
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn exchange_bytes(at: SocketAddr, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn the_segments_come_as_a_capture_file() {
    let admin = keeping().await;
    let request = format!("GET /lost.pcapng?id=8 HTTP/1.1\r\n{LOCAL}\r\n");
    let bytes = exchange_bytes(admin.address(), &request).await;
    let start = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let file = &bytes[start..];
    assert!(String::from_utf8_lossy(file).contains("loss 8 of flags: replies.failed.timeout"));
    let mut file = CaptureFile::new(file).unwrap();
    let mut seen = Vec::new();
    while let Some(found) = file.next_segment().unwrap() {
        let segment = found.segment;
        seen.push((segment.seq.0, segment.payload.to_vec(), segment.wire_len));
    }
    assert_eq!(seen[0].0, 1);
    assert_eq!(seen[1], (2, b"GET /a H".to_vec(), 100));
}
