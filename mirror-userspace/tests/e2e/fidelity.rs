//! Bytes and order: v2 gets what v1 got.

use std::{thread, time::Duration};

use lab::{Behaviour, Family};

use crate::{
    scene::Scene,
    traffic::{get, noise, post},
};

#[test]
fn bodies_of_every_size_arrive_byte_for_byte() {
    let scene = Scene::new(&["--stream-window", "128M"]);
    let sizes = [
        0,
        1,
        1_447,
        1_448,
        1_449,
        65_535,
        65_536,
        65_537,
        1 << 20,
        (1 << 20) + 1,
        8 << 20,
    ];
    let mut client = scene.connect();
    for len in sizes {
        client.write(&post(&format!("/{len}"), len)).unwrap();
        assert_eq!(client.read_reply("POST").unwrap().status, 200);
    }
    scene.assert_mirrored(sizes.len());
}

#[test]
fn an_upload_of_64_mib_arrives_whole() {
    let scene = Scene::new(&["--stream-window", "128M"]);
    assert_eq!(scene.request("POST", &post("/upload", 64 << 20)), 200);
    scene.assert_mirrored(1);
}

#[test]
fn pipelined_requests_arrive_in_order() {
    let scene = Scene::new(&[]);
    let mut client = scene.connect();
    let batch: Vec<u8> = (0..100)
        .flat_map(|n| {
            if n % 3 == 0 {
                post(&format!("/{n}"), n)
            } else {
                get(&format!("/{n}"))
            }
        })
        .collect();
    client.write(&batch).unwrap();
    for n in 0..100 {
        client
            .read_reply(if n % 3 == 0 { "POST" } else { "GET" })
            .unwrap();
    }
    scene.assert_mirrored(100);
}

#[test]
fn requests_of_many_connections_keep_the_order_of_each() {
    let scene = Scene::new(&[]);
    thread::scope(|scope| {
        for connection in 0..8 {
            let mut client = scene.connect();
            scope.spawn(move || {
                for n in 0..50 {
                    client
                        .write(&post(&format!("/{connection}/{n}"), n * 37))
                        .unwrap();
                    client.read_reply("POST").unwrap();
                }
            });
        }
    });
    scene.assert_mirrored(400);
}

#[test]
fn a_new_connection_for_each_request() {
    let scene = Scene::new(&[]);
    for n in 0..200 {
        let request = format!("GET /{n} HTTP/1.1\r\nHost: v1.test\r\nConnection: close\r\n\r\n");
        assert_eq!(scene.request("GET", request.as_bytes()), 200);
    }
    scene.assert_mirrored(200);
}

#[test]
fn heads_byte_by_byte_and_split_at_every_place() {
    let scene = Scene::new(&[]);
    let mut client = scene.connect();
    let whole = post("/dribbled", 5);
    client
        .write_pieces(whole.chunks(1), Duration::from_micros(200))
        .unwrap();
    client.read_reply("POST").unwrap();
    let mut count = 1;
    for at in (1..whole.len()).step_by(3) {
        let request = post(&format!("/{at:07}"), 5);
        let (a, b) = request.split_at(at);
        client
            .write_pieces([a, b], Duration::from_micros(500))
            .unwrap();
        client.read_reply("POST").unwrap();
        count += 1;
    }
    scene.assert_mirrored(count);
}

#[test]
fn a_body_that_takes_ten_seconds() {
    let scene = Scene::new(&[]);
    let mut client = scene.connect();
    let request = post("/slow", 10_000);
    let (head, body) = request.split_at(request.len() - 10_000);
    client.write(head).unwrap();
    client
        .write_pieces(body.chunks(500), Duration::from_millis(500))
        .unwrap();
    client.read_reply("POST").unwrap();
    scene.assert_mirrored(1);
}

#[test]
fn v1_answering_before_the_body_is_there() {
    let scene = Scene::new(&[]);
    scene.v1.set_behaviour(Behaviour::AnswerEarly);
    let mut client = scene.connect();
    for n in 0..5 {
        let request = post(&format!("/{n}"), 50_000);
        let (head, body) = request.split_at(request.len() - 50_000);
        client.write(head).unwrap();
        assert_eq!(client.read_reply("POST").unwrap().status, 200);
        client
            .write_pieces(body.chunks(9_999), Duration::from_millis(2))
            .unwrap();
    }
    scene.assert_mirrored(5);
}

#[test]
fn over_ipv6() {
    let scene = Scene::over(Family::V6, &[]);
    let mut client = scene.connect();
    for len in [0, 1, 1_428, 100_000, 3 << 20] {
        client.write(&post(&format!("/{len}"), len)).unwrap();
        client.read_reply("POST").unwrap();
    }
    scene.assert_mirrored(5);
}

#[test]
fn heads_keep_case_spacing_duplicates_and_high_bytes() {
    let scene = Scene::new(&[]);
    let mut request = b"GET /odd?q=%20&\x7e HTTP/1.1\r\nhOsT:v1.test\r\nX-A:\t 1 \r\nx-a: 2\r\nX-High: \xe9\xff\r\nX-Empty:\r\n".to_vec();
    request.extend(format!("X-Long: {}\r\n\r\n", "v".repeat(20_000)).bytes());
    assert_eq!(scene.request("GET", &request), 200);
    scene.assert_mirrored(1);
}

#[test]
fn noise_is_noise() {
    assert_eq!(noise(20)[..16], noise(16)[..]);
    assert_ne!(noise(16)[..8], noise(16)[8..]);
}
