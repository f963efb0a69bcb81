//! `kubectl podmirror ui`: one page of two agents, in Chromium.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use lab::{
    Behaviour, FakeApi, Family, Host, Lab, Mirror, Pod, Process, RawClient, RecordingServer,
    Scratch, agent_pod,
};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::{
    address,
    browser::{Browser, Look},
    serve,
    terminal::Terminal,
};

const PODMIRROR: &str = env!("CARGO_BIN_EXE_podmirror");
const PODS: &str = "/api/v1/pods";
const V1: [(&str, &str); 2] = [("app", "web"), ("version", "v1")];

const LOOKS: [Look; 2] = [
    Look {
        name: "all-agents",
        width: 1280,
        scheme: "light",
    },
    Look {
        name: "all-agents-narrow",
        width: 360,
        scheme: "dark",
    },
];

/// A node with an agent and a pod of v1's.
struct Node {
    pod: Pod,
    _server: RecordingServer,
    agent: Mirror,
}

impl Node {
    fn start(lab: &Lab, api: &FakeApi, scratch: &Scratch, number: u8) -> Self {
        let name = format!("node-{number}");
        let pod = Pod::start(lab, &format!("web-{number}"), 30 + number).unwrap();
        let any = ([0, 0, 0, 0, 0, 0, 0, 0], 80).into();
        let server = RecordingServer::start(pod.namespace(), any, Behaviour::Answer).unwrap();
        api.apply(PODS, pod.object(&name, &V1));
        let socket = scratch.path().join(format!("{number}.sock"));
        let at = [
            name.clone(),
            format!("127.0.0.1:909{number}"),
            socket.to_str().unwrap().to_owned(),
        ];
        api.apply(PODS, agent_pod(number.into(), &at));
        let let_in = api.let_in(
            "podmirror",
            &format!("podmirror-{number}"),
            &lab.node,
            Path::new(PODMIRROR),
        );
        let_in.unwrap();
        let [_, admin, socket] = &at;
        let kubeconfig = scratch.path().join("kubeconfig");
        let target = format!("http://{},role=candidate", address(Host::V2));
        let flags = [
            ["--kubeconfig", kubeconfig.to_str().unwrap()],
            ["--node-name", &name],
            ["--host-netns", lab.node.name()],
            ["--admin-address", admin],
            ["--admin-socket", socket],
            ["--pod-selector", "app=web,version=v1"],
            ["--port", "80"],
            ["--target", &target],
            ["--replies", "on"],
            ["--compare", "v1"],
            ["--compare-rate", "100%"],
            ["--keep-differences", "20"],
        ];
        let flags = [&["agent"], flags.as_flattened()].concat();
        let agent = Mirror::start_command(&lab.node, Path::new(PODMIRROR), &flags, "mirroring ");
        let agent = agent.unwrap();
        agent
            .wait_for(&format!("default/web-{number}: attached to "))
            .unwrap();
        Self {
            pod,
            _server: server,
            agent,
        }
    }

    fn call(&self, lab: &Lab, path: &str, times: usize) {
        let v1 = (self.pod.ip(Family::V4), 80).into();
        let mut client = RawClient::connect(&lab.client, v1).unwrap();
        for _ in 0..times {
            let request = format!("GET {path} HTTP/1.1\r\nhost: web\r\n\r\n");
            client.write(request.as_bytes()).unwrap();
            assert_eq!(client.read_reply("GET").unwrap().status, 200);
        }
    }
}

/// podmirror under the name by which kubectl finds it.
fn plugin(scratch: &Scratch) -> PathBuf {
    let plugin = scratch.path().join("kubectl-podmirror");
    symlink(PODMIRROR, &plugin).unwrap();
    plugin
}

/// Starts it, and returns the address that it prints.
fn start(lab: &Lab, scratch: &Scratch) -> (Process, String) {
    let mut command = Command::new(plugin(scratch));
    command
        .args(["ui", "--timeout=60s"])
        .env("KUBECONFIG", scratch.path().join("kubeconfig"))
        .stdout(Stdio::piped());
    let mut process = lab.node.spawn(&mut command).unwrap();
    let mut url = String::new();
    let stdout = process.child().stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut url).unwrap();
    (process, url.trim_end().to_owned())
}

#[test]
fn one_page_shows_two_agents_sets_their_rates_and_names_the_silent_one() {
    let lab = Lab::new().unwrap();
    let scratch = Scratch::create("all-agents").unwrap();
    let api = FakeApi::start(Some(&lab.node), ([127, 0, 0, 1], 6443).into()).unwrap();
    fs::write(scratch.path().join("kubeconfig"), api.kubeconfig()).unwrap();
    let _v2 = serve(&lab, Host::V2, "location /pay { return 503; }");
    let [one, two] = [1, 2].map(|number| Node::start(&lab, &api, &scratch, number));
    let (_process, url) = start(&lab, &scratch);
    let mut browser = Browser::start(&lab.node);
    let name = LOOKS[0].name;
    browser.open(&LOOKS[0], &url);
    browser.wait(name, "#link.live", "live: 2 agents");
    browser.wait(name, "#nodes-badge", "all answer");
    // Where the sum of both begins with neither, no node has enough for a verdict of its own.
    one.call(&lab, "/pay/1", 60);
    two.call(&lab, "/pay/2", 60);
    two.call(&lab, "/users", 30);
    browser.wait(name, "#books div", "sent150");
    browser.wait(name, "#verdict-words", "v2 is worse than v1 on GET /pay");
    browser.wait(name, "#glance-good", "v2: worse on GET /pay");
    browser.wait(name, "#routes > li", "GET /pay worse");
    browser.wait(name, "#examples > li", "status: 200 at v1, 503 at v2");
    for number in [1, 2] {
        browser.wait(name, "#agents tr", &format!("node-{number}"));
        browser.wait(name, "#pods li", &format!("default/web-{number}"));
        browser.wait(name, "#examples .count", &format!("on node-{number}"));
    }

    // No token is asked for: who sees the page is who started it.
    browser.wait(name, "#tune:not([hidden]) label[hidden]", "Token");
    let set = "(() => { document.getElementById('rate').value = '25%'; \
               document.getElementById('tune').requestSubmit(); })()";
    browser.evaluate(name, set);
    browser.wait(name, "#tuned", "25 % is set on 2 of 2 nodes");
    let rates = "[...document.querySelectorAll('#agents tr')].filter((it) => \
                 it.children[2].textContent === '25\u{a0}%').length";
    let both = format!(
        "new Promise((done) => {{ const look = () => {rates} === 2 ? done(true) : requestAnimationFrame(look); look(); }})"
    );
    assert_eq!(browser.evaluate(name, &both), true);
    api.forbid("podmirror-2/exec");
    browser.evaluate(name, &set.replace("25%", "10%"));
    browser.wait(name, "#tuned", "10 % is set on 1 of 2 nodes");
    browser.wait(name, "#tuned", "node-2 (podmirror-2): the API forbids it");
    browser.wait(name, "#graph", "≤");

    let Node { agent: silent, .. } = two;
    silent.signal(Signal::SIGKILL).unwrap();
    browser.wait(name, "#nodes-badge", "1 silent");
    browser.wait(name, "#agents tr.old", "node-2no answer, its counts are");
    browser.wait(name, "#link.live", "live: 1 of 2 agents answer");
    // What it told is counted all the same.
    browser.wait(name, "#books div", "sent150");

    for look in &LOOKS {
        if look.name != name {
            browser.open(look, &url);
            browser.wait(look.name, "#nodes-badge", "1 silent");
            browser.wait(look.name, "#verdict-badge", "differs");
        }
        let name = look.name;
        browser.picture(name);
        assert_eq!(browser.inaccessible(name), json!([]), "{name}");
        let overflow = "document.documentElement.scrollWidth - innerWidth";
        assert_eq!(browser.evaluate(name, overflow), 0, "{name}");
        assert_eq!(browser.evaluate(name, "violations"), json!([]), "{name}");
    }
    assert_eq!(browser.wrong(), json!([]));
    one.agent.stop().unwrap();
}

#[test]
fn keys_of_the_terminal_set_rates_on_all_nodes_in_the_words_of_set() {
    let lab = Lab::new().unwrap();
    let scratch = Scratch::create("all-agents-keys").unwrap();
    let api = FakeApi::start(Some(&lab.node), ([127, 0, 0, 1], 6443).into()).unwrap();
    let kubeconfig = scratch.path().join("kubeconfig");
    fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    let _v2 = serve(&lab, Host::V2, "");
    let nodes = [1, 2].map(|number| Node::start(&lab, &api, &scratch, number));
    let shell = format!("{} top --timeout=60s", plugin(&scratch).display());
    let kubeconfig = ("KUBECONFIG", kubeconfig.to_str().unwrap());
    let mut terminal = Terminal::start(&lab.node, &shell, &[("NO_COLOR", "1"), kubeconfig]);
    terminal.wait("> flags        10.77.0.20          100 %");
    terminal.press("-");
    terminal.wait("75 % is set on 2 of 2 nodes");
    terminal.wait("> flags        10.77.0.20          75.0%");
    api.forbid("podmirror-2/exec");
    terminal.press("-");
    terminal.wait("50 % is set on 1 of 2 nodes; 1 did not take it, and mirror as before; node-2");
    terminal.press("q");
    assert!(terminal.ended().success());
    for node in nodes {
        node.agent.stop().unwrap();
    }
}
