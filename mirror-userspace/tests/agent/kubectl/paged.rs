//! `kubectl podmirror ui`: the page of all agents, asked as a browser asks.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lab::{Process, RawClient};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::Cluster;
use crate::node::PATIENCE;

/// A page that is served.
pub(super) struct Page<'a> {
    cluster: &'a Cluster,
    address: SocketAddr,
    /// What all paths begin with: `/` and the secret.
    place: String,
    process: Process,
}

impl<'a> Page<'a> {
    pub(super) fn open(cluster: &'a Cluster, flags: &[&str]) -> Self {
        let mut command = Command::new(&cluster.plugin);
        command
            .args(["ui", "--timeout=60s"])
            .args(flags)
            .env("KUBECONFIG", cluster.node.kubeconfig())
            .stdout(Stdio::piped());
        let mut process = cluster.node.lab.node.spawn(&mut command).unwrap();
        let mut url = String::new();
        let stdout = process.child().stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut url).unwrap();
        let url = url.trim_end().strip_prefix("http://").unwrap();
        let (address, place) = url.strip_suffix('/').unwrap().split_once('/').unwrap();
        Self {
            cluster,
            address: address.parse().unwrap(),
            place: format!("/{place}"),
            process,
        }
    }

    /// The status and the body of what is below the secret.
    fn ask(&self, method: &str, path: &str, fields: &str, body: &str) -> (u16, String) {
        let (status, body) = self.exchange(method, &format!("{}{path}", self.place), fields, body);
        (status, String::from_utf8(body).unwrap())
    }

    fn exchange(&self, method: &str, path: &str, fields: &str, body: &str) -> (u16, Vec<u8>) {
        let host = match fields.contains("host:") {
            true => String::new(),
            false => format!("host: {}\r\n", self.address),
        };
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{host}{fields}content-length: {length}\r\n\r\n{body}"
        );
        let mut client = RawClient::connect(&self.cluster.node.lab.node, self.address).unwrap();
        client.write(request.as_bytes()).unwrap();
        let reply = client.read_reply(method).unwrap();
        (reply.status, reply.body.bytes)
    }

    pub(super) fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, "", "")
    }

    /// Sets a rate as the page does.
    fn set(&self, line: &str) -> (u16, String) {
        let own = format!(
            "origin: http://{}\r\nsec-fetch-site: same-origin\r\n",
            self.address
        );
        self.ask("PUT", "/sample-rate", &own, line)
    }

    /// Waits until a message is as it should be.
    pub(super) fn wait_for_books(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let connect = || TcpStream::connect(self.address).unwrap();
        let mut stream = self.cluster.node.lab.node.run(connect).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "GET {}/events HTTP/1.1\r\nhost: {}\r\n\r\n",
            self.place, self.address
        );
        stream.write_all(request.as_bytes()).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut last = Value::Null;
        for line in BufReader::new(stream).lines() {
            let line = line.unwrap();
            let Some(told) = line.strip_prefix("data: ") else {
                continue;
            };
            last = serde_json::from_str(told).unwrap_or_else(|_| json!(told));
            if is_it(&last) {
                return last;
            }
            assert!(Instant::now() < deadline, "{last:#}");
        }
        panic!("it ended with {last:#}");
    }
}

/// How many were sent, and lost, of a rule's books at an agent or of those of its target.
fn counts(rule: &Value) -> [f64; 2] {
    ["sent", "lost"].map(|it| rule[it].as_f64().unwrap_or_default())
}

fn all(books: &Value) -> [f64; 2] {
    let targets = &books["rules"][0]["ledger"]["targets"];
    let requests = targets.as_object().and_then(|all| all.values().next());
    let requests = requests.map(|it| &it["requests"]).unwrap_or(&Value::Null);
    let dropped = requests["dropped"].as_object().into_iter().flatten();
    let dropped = dropped.filter_map(|(_, count)| count.as_f64()).sum();
    [requests["sent"].as_f64().unwrap_or_default(), dropped]
}

#[test]
fn one_page_adds_up_all_nodes_and_names_who_is_silent() {
    let cluster = Cluster::new(&["--max-rps", "1"]);
    let (one, two) = (cluster.web("one", 30, 1), cluster.web("two", 31, 2));
    for round in 0..4 {
        cluster.node.request(&one, &format!("/one/{round}"));
        cluster.node.request(&two, &format!("/two/{round}"));
    }
    let mut page = Page::open(&cluster, &[]);
    let lost_on_both = |books: &Value| {
        let lost = |index: usize| counts(&books["agents"][index]["rules"][0])[1];
        all(books).iter().sum::<f64>() == 8.0 && lost(0) > 0.0 && lost(1) > 0.0
    };
    let books = page.wait_for_books(lost_on_both);
    let agents = books["agents"].as_array().unwrap();
    for (agent, number) in agents.iter().zip(1..) {
        for (field, value) in [
            ("node", json!(format!("node-{number}"))),
            ("agent", json!(format!("podmirror-{number}"))),
            ("trouble", json!(null)),
        ] {
            assert_eq!(agent[field], value, "{field}: {agent:#}");
        }
        assert_eq!(agent["rules"][0]["attachments"], json!(1.0), "{agent:#}");
    }
    let [first, second] = [0, 1].map(|index| counts(&agents[index]["rules"][0]));
    let sum = [first[0] + second[0], first[1] + second[1]];
    assert_eq!(all(&books), sum, "{books:#}");
    assert_eq!(books["pods"].as_array().unwrap().len(), 2);

    // The last losses of both, and the capture file of one of them.
    let (status, lost) = page.get("/lost");
    assert_eq!(status, 200, "{lost}");
    let lost: Value = serde_json::from_str(&lost).unwrap();
    let lost = lost["lost"].as_array().unwrap();
    for agent in ["podmirror-1", "podmirror-2"] {
        let one = lost.iter().find(|it| it["agent"] == agent).unwrap();
        let path = format!("{}/lost.pcapng?agent={agent}&id={}", page.place, one["id"]);
        let (status, file) = page.exchange("GET", &path, "", "");
        assert_eq!((status, file[0]), (200, 0x0a), "a pcapng file");
    }
    for (query, status) in [
        ("", 400),
        ("?id=1", 400),
        ("?agent=podmirror-1&id=1%20HTTP/1.1", 400),
        ("?agent=podmirror-1/x&id=1", 404),
    ] {
        assert_eq!(
            page.get(&format!("/lost.pcapng{query}")).0,
            status,
            "{query}"
        );
    }
    let (status, differences) = page.get("/differences");
    assert_eq!(status, 200, "{differences}");
    let differences: Value = serde_json::from_str(&differences).unwrap();
    assert_eq!(differences["differences"], json!([]));

    // Nobody waits for one that hangs.
    let [first, second] = cluster.agents.each_ref();
    let trouble = |books: &Value| books["agents"][0]["trouble"].as_str().map(str::to_owned);
    second.0.signal(Signal::SIGSTOP).unwrap();
    let is_slow = |books: &Value| trouble(books).is_some_and(|it| it.starts_with("no answer for"));
    let books = page.wait_for_books(is_slow);
    assert_eq!(books["agents"][0]["node"], "node-2", "{books:#}");
    second.0.signal(Signal::SIGCONT).unwrap();
    page.wait_for_books(|books| trouble(books).is_none());
    // One that is gone counts by what it told last.
    second.0.signal(Signal::SIGKILL).unwrap();
    let books = page.wait_for_books(|books| trouble(books).is_some());
    let silent = &books["agents"][0];
    assert_eq!(silent["node"], "node-2", "{silent:#}");
    assert!(silent["age_seconds"].is_u64(), "{silent:#}");
    assert_eq!(all(&books), sum, "{books:#}");
    assert_eq!(books["agents"][1]["trouble"], json!(null));
    let (status, lost) = page.get("/lost");
    assert!(
        status == 200 && lost.contains("Not told by node-2."),
        "{lost}"
    );

    page.process.signal(Signal::SIGINT).unwrap();
    let ended = page.process.wait_timeout(PATIENCE).unwrap();
    assert!(ended.expect("it goes on").success());
    first.0.signal(Signal::SIGTERM).unwrap();
}

#[test]
fn rates_are_set_on_the_page_by_its_user_alone_and_as_his_rights_are() {
    let cluster = Cluster::new(&[]);
    let (_one, _two) = (cluster.web("one", 30, 1), cluster.web("two", 31, 2));
    let page = Page::open(&cluster, &[]);
    assert_eq!(page.get("/").0, 200);
    // Whoever does not know the place finds nothing, nor do others lead browsers there.
    for path in ["/", "/events", "/sample-rate", "/lost", &page.place[..20]] {
        assert_eq!(page.exchange("GET", path, "", "").0, 404, "{path}");
    }
    let away = page.ask("GET", "/events", "host: evil.example\r\n", "");
    assert_eq!(away.0, 421, "{}", away.1);
    for fields in [
        "",
        "origin: http://evil.example\r\n",
        "origin: null\r\n",
        "origin: http://127.0.0.1\r\n",
    ] {
        let (status, why) = page.ask("PUT", "/sample-rate", fields, "0");
        assert_eq!(status, 403, "{fields}: {why}");
    }
    let (status, said) = page.set("25%\tflags");
    assert_eq!((status, &*said), (200, "25 % is set on 2 of 2 nodes\n"));
    let status = cluster.status();
    for ratio in ["sample_ratio", "sample_ratio_least"] {
        assert_eq!(status["rules"][0][ratio], json!(0.25), "{status:#}");
    }
    page.wait_for_books(|books| books["agents"][1]["rules"][0]["sample_ratio"] == 0.25);
    let (status, why) = page.set("5%\tflag");
    assert!(status == 404 && why.contains("no node has a rule"), "{why}");
    assert_eq!(page.set("500%\tflags").0, 400);
    cluster.node.api.forbid("podmirror-2/exec");
    let (status, said) = page.set("50%");
    assert_eq!(status, 502, "{said}");
    for part in [
        "50 % is set on 1 of 2 nodes\n1 did not take it, and mirror as before\n",
        "node-2 (podmirror-2): the API forbids it",
        "pods/exec",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }

    let looks_only = Page::open(&cluster, &["--read-only"]);
    assert_eq!(looks_only.set("0").0, 405);
    assert_eq!(looks_only.get("/sample-rate").0, 404);

    cluster.node.api.forbid("podmirror-1/portforward");
    let deadline = Instant::now() + PATIENCE;
    while !page.get("/lost").1.contains("Not told by node-1.") {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(50));
    }
    cluster.node.api.forbid("portforward");
    let refused = [
        "none of the 2 agents answered",
        "node-2 (podmirror-2): the API forbids it",
        "pods/portforward",
    ];
    cluster.kubectl(&["ui"]).assert(1, &refused);
    drop(page);
    drop(looks_only);
    for agent in cluster.agents {
        agent.0.stop().unwrap();
    }
}
