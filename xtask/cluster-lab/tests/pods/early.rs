//! A pod's beginning: from its coming to the node to the API's word that it runs.

use std::{
    env, fs,
    net::IpAddr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use cluster_lab::{Node, RunningPod};
use k8s_openapi::api::core::v1::Pod;
use lab::{FakeApi, Mirror, RawClient};

use crate::scene::{PODS, Scene, web};

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
/// a second later; and when the agent was attached, from the start of the pod's containers on. The agent is the
/// program that `PODMIRROR` names, of any version, and runs on the node itself.
#[test]
#[ignore = "a measurement: PODMIRROR=target/debug/podmirror cargo test -p cluster-lab --test pods -- --ignored --nocapture"]
fn how_many_of_the_first_requests_are_missed() {
    const COUNT: usize = 10;
    const REQUESTS: usize = 200;
    let program = env::var("PODMIRROR").unwrap();
    let mut node = Node::start().unwrap();
    let v2 = node.run(web("v2")).unwrap();
    let api = FakeApi::start(Some(node.namespace()), ([127, 0, 0, 1], 6443).into()).unwrap();
    let kubeconfig = node.folder().join("kubeconfig");
    fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    let target = format!("--target=http://{}", v2.ip());
    let flags = [
        "agent",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
        "--node-name=node-1",
        "--admin-address=off",
        "--admin-socket=off",
        "--pod-selector=version=v1",
        "--port=80",
        &target,
    ];
    let program = Path::new(&program);
    let agent = Mirror::start_command(node.namespace(), program, &flags, "mirroring ").unwrap();
    let tell = |pod: &RunningPod| api.apply(PODS, serde_json::to_value(&pod.object).unwrap());
    let mirrored = |node: &Node, what: &str| {
        let log = node.logs(&v2, "web");
        log.lines().filter(|line| line.contains(what)).count()
    };
    let (mut missed, mut times) = (0, Vec::new());
    for number in 0..COUNT {
        let mut pod = node.schedule(another(&format!("new-{number}"))).unwrap();
        tell(&pod);
        let ip = node.start_sandbox(&mut pod).unwrap();
        let (began, node) = (Instant::now(), &node);
        node.start_containers(&mut pod).unwrap();
        let what = format!("/new-{number}/");
        let attached = attached(&pod);
        let took = thread::scope(|scope| {
            scope.spawn(|| {
                let mut client = connect(node, &ip);
                for request in 0..REQUESTS {
                    get(&mut client, &format!("{what}{request}"));
                    thread::sleep(Duration::from_millis(10));
                }
            });
            let noted = scope.spawn(|| {
                agent.wait_for_times(&attached, 1).unwrap();
                began.elapsed()
            });
            thread::sleep(Duration::from_secs(1).saturating_sub(began.elapsed()));
            tell(&pod);
            noted.join().unwrap()
        });
        let end = format!("{what}end");
        get(&mut connect(node, &ip), &end);
        while mirrored(node, &end) == 0 {
            thread::sleep(Duration::from_millis(20));
        }
        missed += REQUESTS + 1 - mirrored(node, &what);
        times.push(took);
    }
    println!(
        "missed {missed} of {}; attached after {times:?}",
        COUNT * (REQUESTS + 1)
    );
}

fn connect(node: &Node, ip: &str) -> RawClient {
    let address = (ip.parse::<IpAddr>().unwrap(), 80).into();
    loop {
        match RawClient::connect(node.namespace(), address) {
            Ok(client) => return client,
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
}
