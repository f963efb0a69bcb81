//! The last differences between replies: who is told of them, and what.

use mirror_core::{
    segment::Time,
    verdict::{Difference, Values},
};
use serde_json::Value;

use super::*;

fn difference(second: u64, request: &str, fields: usize) -> Difference {
    let value = |number| Values {
        field: format!("header x-{number}"),
        baseline: Some("1".into()),
        candidate: None,
    };
    Difference {
        at: Time::from_nanos(second * 1_000_000_000),
        group: "GET /a".into(),
        request: request.into(),
        values: (0..fields).map(value).collect(),
    }
}

async fn keeping(differences: Vec<Difference>) -> Server {
    let mut owner = Owner::new();
    owner.mirrors[1].counted.comparison.differences = differences;
    answered(patient(), owner).await
}

async fn look(at: SocketAddr, lines: &str) -> Reply {
    let request = format!("GET /differences HTTP/1.1\r\n{lines}\r\n");
    exchange(at, request.as_bytes()).await.unwrap()
}

const LOCAL: &str = "Host: 127.0.0.1:9090\r\n";

#[tokio::test]
async fn they_are_told_the_newest_first_with_both_values() {
    let all = [(1, "GET /a/old", 1), (7, "GET /a/new", 20)];
    let admin = keeping(
        all.map(|(at, line, fields)| difference(at, line, fields))
            .into(),
    )
    .await;
    for at in [admin.address(), admin.page()] {
        let reply = look(at, LOCAL).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let told: Value = serde_json::from_str(&reply.body).unwrap();
        let [new, old] = [0, 1].map(|index| told["differences"][index].clone());
        assert_eq!(
            [&new["request"], &old["request"]],
            ["GET /a/new", "GET /a/old"]
        );
        assert_eq!(new["rule"], "HTTPRoute default/web rules[0]");
        assert_eq!(new["group"], "GET /a");
        let value = &old["values"][0];
        assert_eq!(
            [&value["field"], &value["baseline"], &value["candidate"]],
            [&Value::from("header x-0"), &Value::from("1"), &Value::Null]
        );
        assert_eq!(new["values"].as_array().unwrap().len(), 16);
        assert_eq!([&new["more"], &old["more"]], [4, 0]);
        let seconds = |it: &Value| it["at"].as_f64().unwrap();
        assert_eq!(seconds(&new) - seconds(&old), 6.0);
        assert!(seconds(&new) <= told["now"].as_f64().unwrap());
    }
}

#[tokio::test]
async fn as_many_are_told_as_a_page_has_room_for() {
    let all = (0..1000).map(|at| difference(at, &format!("GET /{at}"), 1));
    let admin = keeping(all.collect()).await;
    let told: Value = serde_json::from_str(&look(admin.address(), LOCAL).await.body).unwrap();
    let told = told["differences"].as_array().unwrap();
    assert_eq!((told.len(), &told[0]["request"]), (100, &"GET /999".into()));
}

#[tokio::test]
async fn who_may_not_see_losses_may_not_see_them() {
    let admin = keeping(vec![difference(1, "GET /hunter2", 1)]).await;
    for (lines, status) in [
        ("Host: rebound.example\r\n", 421),
        ("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", 403),
        ("Host: localhost\r\nX-Forwarded-For: 10.0.0.1\r\n", 403),
        ("Host: localhost\r\nx-mirrored-by: podmirror\r\n", 403),
    ] {
        for at in [admin.address(), admin.page()] {
            let reply = look(at, lines).await;
            assert_eq!(reply.status, status, "{lines:?}");
            assert!(!reply.body.contains("hunter2"));
        }
    }
    let put = format!("PUT /differences HTTP/1.1\r\n{LOCAL}\r\n");
    for at in [admin.address(), admin.page()] {
        assert_eq!(exchange(at, put.as_bytes()).await.unwrap().status, 405);
    }
}
