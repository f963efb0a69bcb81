//! An agent's page: two rules mirror one pod, and one of them loses.

use std::{fs, path::Path, process::Command};

use lab::{
    Behaviour, FakeApi, Family, Host, Lab, Mirror, Pod, RawClient, RecordingServer, Scratch,
};
use serde_json::{Value, json};

use crate::{
    URL, address,
    browser::{Browser, Look},
    serve,
};

const PODMIRROR: &str = env!("CARGO_BIN_EXE_podmirror");
const NODE: &str = "node-1";
/// The rule that loses, by the name of its document.
const LOSING: &str = "VirtualService default/web http[0]";
/// Nobody listens there.
const NOBODY: u16 = 81;

/// The objects of the tutorial: v1 and v2 behind one service, and v1's requests mirrored to v2.
fn documents() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "metadata": {"namespace": "default", "name": "web"},
                "spec": {
                    "hosts": ["web"],
                    "http": [{
                        "route": [{"destination": {"host": "web", "subset": "v1"}, "weight": 100}],
                        "mirror": {"host": "web", "subset": "v2"},
                        "mirrorPercentage": {"value": 100},
                    }],
                },
            },
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "DestinationRule",
                "metadata": {"namespace": "default", "name": "web"},
                "spec": {
                    "host": "web",
                    "subsets": [
                        {"name": "v1", "labels": {"version": "v1"}},
                        {"name": "v2", "labels": {"version": "v2"}},
                    ],
                },
            },
        ],
    })
}

/// Tells the API of the pods, and of the service that both are behind.
fn tell(api: &FakeApi, v1: &Pod, v2: &Pod) {
    for (pod, version) in [(v1, "v1"), (v2, "v2")] {
        let labels = [("app", "web"), ("version", version)];
        api.apply("/api/v1/pods", pod.object(NODE, &labels));
    }
    api.apply(
        "/api/v1/services",
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": "default", "name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}]},
        }),
    );
    let endpoint = |pod: &Pod| {
        json!({
            "addresses": [pod.ip(Family::V4).to_string()],
            "conditions": {"ready": true},
            "targetRef": {"kind": "Pod", "namespace": "default", "name": pod.name(), "uid": pod.uid()},
        })
    };
    api.apply(
        "/apis/discovery.k8s.io/v1/endpointslices",
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"namespace": "default", "name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "ports": [{"port": 80, "protocol": "TCP"}],
            "endpoints": [endpoint(v1), endpoint(v2)],
        }),
    );
}

const LOOK: Look = Look {
    name: "agent",
    width: 1280,
    scheme: "light",
};

#[test]
fn an_agents_page_and_why_name_the_rule_that_loses() {
    let lab = Lab::new().unwrap();
    let scratch = Scratch::create("agents-page").unwrap();
    let api = FakeApi::start(Some(&lab.node), ([127, 0, 0, 1], 6443).into()).unwrap();
    let [v1, v2] =
        [("v1", 30), ("v2", 31)].map(|(name, host)| Pod::start(&lab, name, host).unwrap());
    let any = |port| ([0, 0, 0, 0, 0, 0, 0, 0], port).into();
    let server = RecordingServer::start(v1.namespace(), any(80), Behaviour::Answer).unwrap();
    // What is behind the document's target answers at another port.
    let _elsewhere =
        RecordingServer::start(v2.namespace(), any(NOBODY), Behaviour::Answer).unwrap();
    let _answers = serve(&lab, Host::V2, "");
    tell(&api, &v1, &v2);
    let file = |name: &str, text: String| {
        let path = scratch.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let kubeconfig = file("kubeconfig", api.kubeconfig());
    let config = file("istio.json", documents().to_string());
    let socket = scratch.path().join("admin.sock");
    let socket = socket.to_str().unwrap();
    let target = format!("http://{}", address(Host::V2));
    let flags = [
        ["--kubeconfig", &kubeconfig],
        ["--node-name", NODE],
        ["--host-netns", lab.node.name()],
        ["--admin-socket", socket],
        ["--ui", "127.0.0.1:9091"],
        ["--config", &config],
        ["--pod-selector", "app=web,version=v1"],
        ["--port", "80"],
        ["--target", &target],
    ];
    let flags = [&["agent"], flags.as_flattened()].concat();
    let agent =
        Mirror::start_command(&lab.node, Path::new(PODMIRROR), &flags, "mirroring ").unwrap();
    agent.wait_for_times("default/v1: attached to ", 2).unwrap();

    let mut client = RawClient::connect(&lab.client, (v1.ip(Family::V4), 80).into()).unwrap();
    for number in 0..5 {
        let request = format!("GET /planted/{number} HTTP/1.1\r\nhost: web\r\n\r\n");
        client.write(request.as_bytes()).unwrap();
        assert_eq!(client.read_reply("GET").unwrap().status, 200);
    }
    assert_eq!(server.requests().len(), 5);

    // The page begins with the first rule, which loses nothing; the table of rules leads to the other one.
    let mut browser = Browser::start(&lab.node);
    let name = LOOK.name;
    browser.open(&LOOK, &format!("{URL}#flags"));
    browser.wait(name, "#rules tr[aria-current]", "flags");
    browser.wait(name, "#pods li", "default/v1");
    browser.wait(name, "#books div", "sent5");
    browser.wait(name, "#lost-none:not([hidden])", "Nothing is lost");
    let choose = format!(
        "[...document.querySelectorAll('#rules button')].find((it) => it.textContent === '{LOSING}').click()"
    );
    browser.evaluate(name, &choose);
    browser.wait(name, "#rule", LOSING);
    browser.wait(name, "#lost > li", "replies.failed.connect");
    browser.wait(name, "#glance-lost", "Lost: 5 requests");
    browser.wait(name, "#last > li code", "GET /planted/4");
    browser.wait(
        name,
        "#last > li",
        "Is v2 up, and does the target name its port?",
    );
    browser.picture(name);
    assert_eq!(browser.wrong(), json!([]));

    let output = Command::new(PODMIRROR)
        .args(["why", "--admin", socket])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.matches(&format!("rule {LOSING}")).count(), 5, "{said}");
    assert!(!said.contains("rule flags"), "{said}");
    for text in ["GET /planted/0 HTTP/1.1", "replies.failed.connect: "] {
        assert!(said.contains(text), "{text}: {said}");
    }

    let ended = agent.stop().unwrap();
    let rules = &ended.ledger.0["rules"];
    for (rule, failed) in [("flags", 0), (LOSING, 5)] {
        assert_eq!(rules[rule]["balanced"], true, "{rules}");
        assert_eq!(
            rules[rule]["replies"]["failed"]["connect"]
                .as_u64()
                .unwrap_or(0),
            failed,
            "{rules}"
        );
    }
}
