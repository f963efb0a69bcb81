//! Clients that others wrote: curl, nghttp, h2load, Java's.

use std::process::Command;

use lab::{Scratch, packages};

use super::scene::Scene;
use crate::traffic::noise;

const V1: &str = "http://10.77.0.10";

#[test]
fn what_curl_sends_with_prior_knowledge() {
    let scene = Scene::new(&[]);
    let folder = Scratch::create("curl").unwrap();
    let file = folder.path().join("upload");
    std::fs::write(&file, noise(300_000)).unwrap();
    let data = format!("@{}", file.to_str().unwrap());
    let cookies = format!("Cookie: {}", ["crumb=1"; 50].join("; "));
    let calls: [&[&str]; 7] = [
        &["/get?a=b"],
        &["-I", "/head"],
        &["-X", "DELETE", "-H", "X-Empty;", "/delete"],
        &["-d", "a=1&b=2", "/form"],
        &["-H", &cookies, "-u", "name:password", "/secrets"],
        &["--data-binary", &data, "/upload"],
        &[
            "-F",
            "field=value",
            "-F",
            &format!("file={data}"),
            "/multipart",
        ],
    ];
    for call in calls {
        let (path, flags) = call.split_last().unwrap();
        let url = format!("{V1}{path}");
        let fixed = ["-sS", "--max-time", "30", "--http2-prior-knowledge", &url];
        scene.run("curl", &[&fixed[..], flags].concat());
    }
    scene.assert_mirrored(calls.len());
}

/// Never-indexed fields stay so: nghttp says it of what it is told, and of authorization.
#[test]
fn what_nghttp_sends_in_one_connection() {
    let scene = Scene::new(&[]);
    let urls: Vec<_> = (0..20).map(|n| format!("{V1}/{n}")).collect();
    let mut arguments = vec![
        "-n",
        "-H",
        "authorization: secret",
        "-H",
        "x-a: 1",
        "-H",
        "x-a: 2",
    ];
    arguments.extend([
        "-H",
        "trailer: x-sum",
        "--trailer",
        "x-sum: 1",
        "-d",
        "/etc/hostname",
    ]);
    arguments.extend(urls.iter().map(String::as_str));
    scene.run("nghttp", &arguments);
    let requests = scene.v1.wait_for(20, crate::scene::PATIENCE).unwrap();
    assert!(requests.iter().all(|request| request.trailers.is_some()));
    scene.assert_mirrored(20);
}

#[test]
fn many_streams_of_h2load() {
    let scene = Scene::new(&[]);
    scene.run(
        "h2load",
        &["-n", "5000", "-c", "8", "-m", "50", &format!("{V1}/load")],
    );
    scene.assert_mirrored(5_000);
}

/// The request that offers HTTP/2 is one of HTTP/1, and its stream is answered once; those behind it are HTTP/2.
#[test]
fn an_upgrade_that_v1_takes() {
    let scene = Scene::new(&[]);
    let urls: Vec<_> = (0..5).map(|n| format!("{V1}/{n}")).collect();
    let mut arguments = vec!["-sS", "--max-time", "30", "--http2"];
    arguments.extend(urls.iter().map(String::as_str));
    scene.run("curl", &arguments);
    let v1 = scene.v1.wait_for(5, crate::scene::PATIENCE).unwrap();
    let v2 = scene.v2.wait_for(5, crate::scene::PATIENCE).unwrap();
    let versions = |requests: &[lab::Http2Request], version: &str| {
        requests.iter().filter(|it| it.version == version).count()
    };
    assert_eq!(versions(&v1, "2"), 4, "v1 took the offer");
    assert_eq!(
        (versions(&v2, "1"), versions(&v2, "2")),
        (1, 4),
        "{}",
        scene.mirror.ask()
    );
    let ledger = scene.mirror.stop();
    ledger.assert_all_answered(5);
    assert_eq!(scene.v2.requests().unwrap().len(), 5, "each once");
    let mut two = [v1, v2].map(|requests| requests.into_iter().filter(|it| it.version == "2"));
    super::scene::assert_same(two[0].by_ref().collect(), two[1].by_ref().collect());
}

#[test]
fn calls_of_grpc_js() {
    let scene = Scene::new(&[]);
    let Some(calls) = lab::grpc_js(&scene.lab.client, scene.v1.address(), 50).unwrap() else {
        println!("SKIPPED: no node here");
        return;
    };
    super::scene::assert_well("grpc-js", calls, 50);
    scene.assert_mirrored(50);
}

/// Java's client offers HTTP/2 with its first request, and goes on in it.
const JAVA: &str = r#"
import java.net.URI;
import java.net.http.*;
public class Offers {
    public static void main(String[] to) throws Exception {
        var client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build();
        for (int n = 0; n < 5; n++) {
            var body = HttpRequest.BodyPublishers.ofString("x".repeat(n * 100));
            var request = HttpRequest.newBuilder(URI.create(to[0] + "/" + n)).POST(body).build();
            var reply = client.send(request, HttpResponse.BodyHandlers.ofString());
            if (reply.statusCode() != 200) System.exit(1);
        }
    }
}
"#;

#[test]
fn an_upgrade_of_java() {
    let Some(java) = packages::find("java") else {
        println!("SKIPPED: no java here");
        return;
    };
    let scene = Scene::new(&[]);
    let folder = Scratch::create("java").unwrap();
    let file = folder.path().join("Offers.java");
    std::fs::write(&file, JAVA).unwrap();
    let mut command = Command::new(java);
    let output = scene.lab.client.output(command.arg(&file).arg(V1)).unwrap();
    assert!(output.status.success(), "{output:?}");
    let v2 = scene.v2.wait_for(5, crate::scene::PATIENCE).unwrap();
    assert_eq!(
        v2.iter().filter(|it| it.version == "2").count(),
        4,
        "{}",
        scene.mirror.ask()
    );
    scene.mirror.stop().assert_all_answered(5);
    assert_eq!(scene.v2.requests().unwrap().len(), 5, "each once");
}
