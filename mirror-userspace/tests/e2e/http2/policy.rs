//! Filters, samples and rewrites act on requests of HTTP/2 as on others.

use super::scene::Scene;
use crate::{policy::REWRITES, scene::PATIENCE};

const V1: &str = "http://10.77.0.10";

fn curl(scene: &Scene, path: &str, flags: &[&str]) {
    let url = format!("{V1}{path}");
    let fixed = ["-sS", "--max-time", "30", "--http2-prior-knowledge", &url];
    scene.run("curl", &[&fixed[..], flags].concat());
}

#[test]
fn filters_probes_and_the_loop_guard() {
    let scene = Scene::new(&["--deny-path", "/admin/*", "--deny-method", "DELETE"]);
    curl(&scene, "/ok", &[]);
    curl(&scene, "/admin/users", &[]);
    curl(&scene, "/ok", &["-X", "DELETE"]);
    curl(&scene, "/probe", &["-A", "kube-probe/1.30"]);
    curl(&scene, "/loop", &["-H", "x-mirrored-by: podmirror"]);
    let probe = "/grpc.health.v1.Health/Check";
    let grpc = "content-type: application/grpc";
    curl(
        &scene,
        probe,
        &["-A", "kube-probe/1.30", "-H", grpc, "-d", "x"],
    );
    assert_eq!(scene.v1.wait_for(6, PATIENCE).unwrap().len(), 6);
    let ledger = scene.mirror.stop();
    let copies = scene.v2.requests().unwrap();
    let paths: Vec<_> = copies.iter().map(|copy| copy.value(":path")).collect();
    assert_eq!(paths, [Some("/ok")]);
    assert_eq!(ledger.count("requests/filtered"), 5);
}

#[test]
fn rewrites_change_the_copy_only() {
    let scene = Scene::new(&REWRITES);
    let flags = ["-H", "cookie: a=b", "-H", "authorization: Bearer s3cret"];
    curl(&scene, "/api/x", &flags);
    let copies = scene.v2.wait_for(1, PATIENCE).unwrap();
    for (name, value) in [
        (":path", Some("/v2/api/x")),
        (":authority", Some("10.77.0.10-shadow")),
        ("x-env", Some("shadow")),
        ("x-forwarded-for", Some("10.77.0.2")),
        ("x-mirrored-by", Some("podmirror")),
        ("authorization", Some("redacted")),
        ("cookie", None),
    ] {
        assert_eq!(copies[0].value(name), value, "{name}");
    }
    let original = &scene.v1.requests().unwrap()[0];
    assert_eq!(original.value("authorization"), Some("Bearer s3cret"));
    scene.mirror.stop().assert_all_answered(1);
}

/// On one connection, which sampling by connection would take or leave as a whole.
#[test]
fn calls_of_one_connection_are_sampled_one_by_one() {
    let scene = Scene::new(&["--sample-rate", "1/2", "--sample-by", "request"]);
    scene.play("unary", 400);
    let ledger = scene.mirror.stop();
    let copies = scene.v2.requests().unwrap().len();
    // Five standard deviations.
    assert!(copies.abs_diff(200) <= 50, "{copies}");
    assert_eq!(ledger.count("requests/sent"), copies as u64);
    assert_eq!(ledger.count("requests/sampled_out"), 400 - copies as u64);
}
