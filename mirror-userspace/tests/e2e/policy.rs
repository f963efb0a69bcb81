//! Sampling, filters and rewrites, as flags.

use crate::{
    scene::{PATIENCE, Scene},
    traffic::get,
};

/// One of each.
pub(crate) const REWRITES: [&str; 10] = [
    "--set-header",
    "X-Env: shadow",
    "--remove-header",
    "cookie",
    "--redact-header",
    "authorization",
    "--host-suffix=-shadow",
    "--rewrite-path",
    "/api=/v2/api",
    "--forwarded-for",
];

#[test]
fn a_quarter_of_the_connections_within_three_sigma() {
    let scene = Scene::new(&["--sample-rate", "25%"]);
    let n = 600;
    for i in 0..n {
        let request = format!("GET /{i} HTTP/1.1\r\nHost: v1.test\r\nConnection: close\r\n\r\n");
        assert_eq!(scene.request("GET", request.as_bytes()), 200);
    }
    let sigma = (n as f64 * 0.25 * 0.75).sqrt();
    let copies = scene
        .v2
        .wait_until_quiet(std::time::Duration::from_millis(300), PATIENCE)
        .len();
    assert!(
        (copies as f64 - n as f64 * 0.25).abs() <= 3.0 * sigma,
        "{copies} of {n}"
    );
    let ledger = scene.mirror.stop();
    assert_eq!(ledger.count("requests/sent"), copies as u64);
    assert!(
        ledger.count("segments/sampled_out") > 0,
        "the kernel decided"
    );
}

#[test]
fn requests_are_sampled_on_one_connection() {
    let scene = Scene::new(&["--sample-rate", "1/2", "--sample-by", "request"]);
    let mut client = scene.connect();
    let n = 400;
    for i in 0..n {
        client.write(&get(&format!("/{i}"))).unwrap();
        client.read_reply("GET").unwrap();
    }
    let copies = scene
        .v2
        .wait_until_quiet(std::time::Duration::from_millis(300), PATIENCE)
        .len();
    assert!((copies as f64 - 200.0).abs() <= 30.0, "{copies} of {n}");
    let ledger = scene.mirror.stop();
    assert_eq!(ledger.count("requests/sampled_out") + copies as u64, n);
}

#[test]
fn a_header_decides_alike_for_the_same_value() {
    let scene = Scene::new(&["--sample-rate", "50%", "--sample-by", "header:x-user"]);
    for round in 0..2 {
        for user in 0..30 {
            let request =
                format!("GET /{user}/{round} HTTP/1.1\r\nHost: v1.test\r\nx-user: u{user}\r\n\r\n");
            assert_eq!(scene.request("GET", request.as_bytes()), 200);
        }
    }
    let copies = scene
        .v2
        .wait_until_quiet(std::time::Duration::from_millis(300), PATIENCE);
    assert!((3..58).contains(&copies.len()), "{}", copies.len());
    for user in 0..30 {
        let of = copies
            .iter()
            .filter(|copy| copy.target().starts_with(&format!("/{user}/")))
            .count();
        assert!(of == 0 || of == 2, "user {user}: {of} of 2");
    }
    scene.mirror.stop();
}

#[test]
fn a_rate_of_zero_copies_nothing() {
    let scene = Scene::new(&["--sample-rate", "0"]);
    assert_eq!(scene.request("GET", &get("/")), 200);
    let ledger = scene.mirror.stop();
    assert_eq!(ledger.count("segments/copied"), 0);
    assert!(ledger.count("segments/sampled_out") > 0);
}

#[test]
fn filters_probes_and_the_loop_guard() {
    let scene = Scene::new(&["--deny-path", "/admin/*", "--allow-method", "GET"]);
    let mut client = scene.connect();
    let heads = [
        "GET /ok HTTP/1.1\r\n",
        "GET /admin/users HTTP/1.1\r\n",
        "DELETE /ok HTTP/1.1\r\n",
        "GET /probe HTTP/1.1\r\nUser-Agent: kube-probe/1.30\r\n",
        "GET /loop HTTP/1.1\r\nX-Mirrored-By: podmirror\r\n",
    ];
    for head in heads {
        client
            .write(format!("{head}Host: v1.test\r\n\r\n").as_bytes())
            .unwrap();
        client.read_reply("GET").unwrap();
    }
    let copies = scene.v2.wait_for(1, PATIENCE);
    assert_eq!(
        copies.iter().map(|copy| copy.target()).collect::<Vec<_>>(),
        ["/ok"]
    );
    let ledger = scene.mirror.stop();
    assert_eq!(ledger.count("requests/filtered"), 4);
}

#[test]
fn rewrites_change_the_copy_only() {
    let scene = Scene::new(&REWRITES);
    let request = b"GET /api/x HTTP/1.1\r\nHost: v1.test\r\nCookie: a=b\r\nAuthorization: Bearer s3cret\r\n\r\n";
    assert_eq!(scene.request("GET", request), 200);
    let copy = String::from_utf8(scene.v2.wait_for(1, PATIENCE)[0].head.clone()).unwrap();
    assert!(copy.starts_with("GET /v2/api/x HTTP/1.1\r\n"), "{copy}");
    let lines: Vec<String> = copy.lines().map(str::to_lowercase).collect();
    for line in [
        "host: v1.test-shadow",
        "x-env: shadow",
        "x-mirrored-by: podmirror",
        "x-forwarded-for: 10.77.0.2",
    ] {
        assert!(lines.iter().any(|l| l == line), "{line} in {copy}");
    }
    assert!(!copy.contains("a=b") && !copy.contains("s3cret"), "{copy}");
    assert_eq!(scene.v1.requests()[0].head, request);
    scene.mirror.stop().assert_all_answered(1);
}

/// Each client's connection carries one request; those to v2 many.
#[test]
fn connections_to_v2_are_used_again_if_they_may() {
    let scene = Scene::new(&["--reuse", "--target-connections", "2"]);
    let count = 100;
    for n in 0..count {
        let request = format!("GET /{n} HTTP/1.1\r\nHost: v1.test\r\nConnection: close\r\n\r\n");
        assert_eq!(scene.request("GET", request.as_bytes()), 200);
    }
    let copies = scene.v2.wait_for(count, PATIENCE);
    let mut connections: Vec<_> = copies.iter().map(|copy| copy.connection).collect();
    connections.sort_unstable();
    connections.dedup();
    assert!(
        connections.len() <= 2,
        "one for each shard: {connections:?}"
    );
    for copy in &copies {
        let head = String::from_utf8_lossy(&copy.head);
        let marked = "Host: v1.test\r\nx-mirrored-by: podmirror\r\n\r\n";
        assert!(head.ends_with(marked), "{head}");
    }
    let ledger = scene.mirror.stop();
    ledger.assert_all_answered(count);
}
