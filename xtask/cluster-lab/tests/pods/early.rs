//! A pod's beginning: from its coming to the node to the API's word that it runs.

use std::{thread, time::Duration};

use cluster_lab::RunningPod;
use k8s_openapi::api::core::v1::Pod;
use lab::RawClient;

use crate::scene::{Scene, web};

/// A pod beside v1, with the same labels.
fn another(name: &str) -> Pod {
    let mut pod = web("v1");
    pod.metadata.name = Some(name.to_owned());
    pod
}

fn attached(pod: &RunningPod) -> String {
    format!("default/{}: attached to ", pod.name())
}

fn get(client: &mut RawClient, target: &str) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: web\r\n\r\n");
    client.write(request.as_bytes()).unwrap();
    assert_eq!(client.read_reply("GET").unwrap().status, 200);
}

/// How many requests with this in their targets v2 has had.
fn mirrored(scene: &Scene, what: &str) -> usize {
    let log = scene.node().logs(&scene.v2, "web");
    log.lines().filter(|line| line.contains(what)).count()
}

/// The API tells of no address while all of this happens.
#[test]
fn a_pods_first_request_is_mirrored() {
    let mut scene = Scene::new();
    let agent = scene.agent("overlays/least-privilege");
    let mut pod = scene.schedule(another("new"));
    let ip = scene.node().start_sandbox(&mut pod).unwrap();
    scene.wait_for_log(&agent, &attached(&pod));
    scene.node().start_containers(&mut pod).unwrap();
    let mut client = scene.connect_to(&ip, 80);
    for number in 0..5 {
        get(&mut client, &format!("/new/{number}"));
    }
    scene.wait(&agent, "v2 has them all", |scene| {
        mirrored(scene, "/new/") >= 5
    });
    // What was believed proves to be so.
    scene.tell(&pod);
    get(&mut client, "/new/told");
    scene.wait(&agent, "v2 has the last", |scene| {
        mirrored(scene, "/new/") >= 6
    });
    let log = scene.node().logs(&agent, "agent");
    assert_eq!(log.matches(&attached(&pod)).count(), 1, "{log}");
    assert!(!log.contains("detached"), "{log}");
    scene.stop(&agent, 6);
}

/// Prints how many requests of a client are missed that begins as soon as a new pod listens, which the API calls running
/// a second later, and the agent's log with its times.
#[test]
#[ignore = "a measurement: cargo test -p cluster-lab --test pods -- --ignored --nocapture how_many"]
fn how_many_of_the_first_requests_are_missed() {
    const PODS: usize = 10;
    const REQUESTS: usize = 200;
    let mut scene = Scene::new();
    let agent = scene.agent("overlays/least-privilege");
    let mut missed = 0;
    for number in 0..PODS {
        let mut pod = scene.schedule(another(&format!("new-{number}")));
        let ip = scene.node().start_sandbox(&mut pod).unwrap();
        scene.node().start_containers(&mut pod).unwrap();
        let what = format!("/new-{number}/");
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut client = scene.connect_to(&ip, 80);
                for request in 0..REQUESTS {
                    get(&mut client, &format!("{what}{request}"));
                    thread::sleep(Duration::from_millis(10));
                }
            });
            thread::sleep(Duration::from_secs(1));
            scene.tell(&pod);
        });
        scene.wait_for_log(&agent, &attached(&pod));
        get(&mut scene.connect_to(&ip, 80), &format!("{what}end"));
        scene.wait(&agent, "v2 has the last", |scene| {
            mirrored(scene, &format!("{what}end")) == 1
        });
        missed += REQUESTS + 1 - mirrored(&scene, &what);
    }
    println!("missed {missed} of {}", PODS * (REQUESTS + 1));
    println!("{}", scene.node().logs(&agent, "agent"));
}
