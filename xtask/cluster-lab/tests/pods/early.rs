//! A pod's beginning: from its sandbox to the API's word that it runs.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

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

/// Starts 35 pods side by side as a kubelet does, and asks each as soon as it listens. Prints how long the agent took from the
/// runtime's word that a sandbox has its network to its own that it is attached, and how many requests were missed. The API
/// tells of no address until all is over.
#[test]
#[ignore = "a measurement: cargo test -p cluster-lab --test pods many_pods -- --ignored --nocapture"]
fn how_soon_many_pods_at_once_are_attached() {
    const PODS: usize = 35;
    const REQUESTS: usize = 20;
    let mut scene = Scene::new();
    let agent = scene.agent("overlays/least-privilege");
    let mut pods: Vec<_> = (0..PODS)
        .map(|number| scene.schedule(another(&format!("new-{number}-"))))
        .collect();
    let (scene, names) = (&scene, pods.iter().map(attached).collect::<Vec<_>>());
    let mut seen = BTreeMap::new();
    let sandboxes: Vec<Instant> = thread::scope(|scope| {
        let started: Vec<_> = pods
            .iter_mut()
            .map(|pod| {
                scope.spawn(|| {
                    let ip = scene.node().start_sandbox(pod).unwrap();
                    let made = Instant::now();
                    scene.node().start_containers(pod).unwrap();
                    let mut client = scene.connect_to(&ip, 80);
                    for number in 0..REQUESTS {
                        get(&mut client, &format!("/{}/{number}", pod.name()));
                    }
                    made
                })
            })
            .collect();
        scene.wait(&agent, "all are attached", |scene| {
            let log = scene.node().logs(&agent, "agent");
            for (number, name) in names.iter().enumerate() {
                if log.contains(name) {
                    seen.entry(number).or_insert_with(Instant::now);
                }
            }
            seen.len() == PODS
        });
        let joined = started.into_iter().map(|it| it.join().unwrap());
        joined.collect()
    });
    let mut client = scene.connect_to(scene.v1.ip(), 80);
    get(&mut client, "/end");
    scene.wait(&agent, "v2 has the last", |scene| {
        mirrored(scene, "/end") > 0
    });
    let all = mirrored(scene, "/new-");
    let late = |(number, at): (&usize, &Instant)| at.saturating_duration_since(sandboxes[*number]);
    let mut late: Vec<Duration> = seen.iter().map(late).collect();
    late.sort_unstable();
    println!(
        "attached after a sandbox: worst {:?}, median {:?}; missed {} of {}",
        late[PODS - 1],
        late[PODS / 2],
        PODS * REQUESTS - all,
        PODS * REQUESTS
    );
}
