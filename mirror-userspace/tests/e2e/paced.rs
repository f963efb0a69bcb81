//! Targets that others wrote find out nothing of it that copies are sent behind others: each request arrives, those with
//! an effect once.

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use lab::{Family, Host, Lab, Nginx, NginxConfig, RawClient, Scratch, packages};

use crate::{
    mirror::{Ledger, Mirror},
    scene::{PATIENCE, target},
};

/// Clients that are on their way together, and how many requests each has.
const CLIENTS: usize = 8;
const EACH: usize = 500;

/// Names each request in a file, which is its only argument but one; the other is what it does behind a reply.
const NODE: &str = "
const fs = require('fs');
const [log, manner] = process.argv.slice(2);
const out = fs.openSync(log, 'a');
require('http').createServer((request, reply) => {
  request.resume();
  request.on('end', () => {
    fs.writeSync(out, request.method + ' ' + request.url + '\\n');
    if (manner === 'closes') reply.setHeader('Connection', 'close');
    reply.end('hello');
  });
}).listen(80, '10.77.0.20');
";

const PYTHON: &str = "
import http.server, sys
log, version = open(sys.argv[1], 'a', buffering=1), sys.argv[2]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = version
    def answer(self):
        self.rfile.read(int(self.headers.get('Content-Length', 0)))
        log.write(self.command + ' ' + self.path + '\\n')
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()
    do_GET = do_POST = answer
    def log_message(self, *words): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1000
Server(('10.77.0.20', 80), Handler).serve_forever()
";

fn v2() -> SocketAddr {
    Host::V2.address(Family::V4, 80)
}

/// Asks for pages with numbers, one after the other; every fourth is a POST.
fn ask(lab: &Lab, v1: SocketAddr, client: usize) {
    let mut connection = RawClient::connect(&lab.client, v1).unwrap();
    for number in client * EACH..(client + 1) * EACH {
        let (method, rest) = match number % 4 {
            0 => ("POST", "content-length: 3\r\n\r\nabc"),
            _ => ("GET", "\r\n"),
        };
        let request = format!("{method} /{number} HTTP/1.1\r\nhost: v1\r\n{rest}");
        connection.write(request.as_bytes()).unwrap();
        connection.read_reply(method).unwrap();
    }
}

/// Has clients ask v1 as fast as they can; which requests v1 served, and the mirror's books.
fn mirror_a_closed_loop(lab: &Lab) -> (Vec<String>, Ledger) {
    let address = Host::V1.address(Family::V4, 80);
    let v1 = Nginx::start(
        lab.namespace(Host::V1),
        &NginxConfig {
            listen: vec![address],
            access_log: true,
            ..NginxConfig::default()
        },
    )
    .unwrap();
    // Room for all of it: an unoptimised build may fall behind, and is to lose nothing.
    let flags = ["--queue", "1000000", "--max-memory", "2G", "--drain", "60s"];
    let mirror = Mirror::start(lab, &target(Family::V4), &flags);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || ask(lab, address, client));
        }
    });
    let ledger = mirror.stop();
    let lines = v1.access_log().unwrap().into_iter();
    let lines = lines.map(|entry| entry.request_line.trim_end_matches(" HTTP/1.1").to_owned());
    let served: Vec<_> = lines.collect();
    assert_eq!(served.len(), CLIENTS * EACH);
    (served, ledger)
}

/// What was served arrived, and nothing with an effect twice; how often others did.
fn assert_arrived(served: &[String], arrived: &[String], ledger: &Ledger) -> u64 {
    let mut times = HashMap::<&str, u64>::new();
    for line in arrived {
        *times.entry(line).or_default() += 1;
    }
    let missing = served
        .iter()
        .filter(|line| !times.contains_key(line.as_str()));
    assert_eq!(missing.count(), 0, "{ledger:?}");
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(
        twice.iter().all(|(line, _)| line.starts_with("GET ")),
        "{twice:?}"
    );
    assert_eq!(ledger.count("replies/failed"), 0, "{ledger:?}");
    twice.iter().map(|(_, times)| **times - 1).sum()
}

fn read_lines(file: &std::path::Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Mirrors to a program of ours, which is given a file to write to and a word.
fn mirror_to(interpreter: &str, program: &str, word: &str) {
    let lab = Lab::new().unwrap();
    let folder = Scratch::create("paced").unwrap();
    let [file, log] = ["program", "log"].map(|name| folder.path().join(name));
    fs::write(&file, program).unwrap();
    let mut command = Command::new(packages::require(interpreter).unwrap());
    command.arg(&file).arg(&log).arg(word);
    let _v2 = lab::serve(&lab.v2, &mut command, v2()).unwrap();
    let (served, ledger) = mirror_a_closed_loop(&lab);
    let twice = assert_arrived(&served, &read_lines(&log), &ledger);
    assert_eq!(twice, 0, "none of these closes unasked");
}

#[test]
fn node() {
    mirror_to("node", NODE, "stays");
}

#[test]
fn node_that_closes_behind_each_reply() {
    mirror_to("node", NODE, "closes");
}

#[test]
fn python() {
    mirror_to("python3", PYTHON, "HTTP/1.1");
}

#[test]
fn python_in_http_1_0() {
    mirror_to("python3", PYTHON, "HTTP/1.0");
}

/// It closes each connection behind so many requests, whatever was sent behind the last.
#[test]
fn nginx_gets_several_at_once_and_none_behind_the_last() {
    let lab = Lab::new().unwrap();
    let folder = Scratch::create("paced").unwrap();
    let log = folder.path().join("pipe.log");
    let config = NginxConfig {
        listen: vec![v2()],
        beside: "log_format pipe '$pipe $request_method $uri';".to_owned(),
        extra: format!("keepalive_requests 100; access_log {} pipe;", log.display()),
        ..NginxConfig::default()
    };
    let v2 = Nginx::start(lab.namespace(Host::V2), &config).unwrap();
    let (served, ledger) = mirror_a_closed_loop(&lab);
    let deadline = Instant::now() + PATIENCE;
    let mut lines = read_lines(&log);
    while lines.len() < served.len() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
        lines = read_lines(&log);
    }
    drop(v2);
    let behind = lines.iter().filter(|line| line.starts_with("p ")).count();
    assert!(behind > 0, "nothing was behind anything");
    let arrived: Vec<_> = lines.iter().map(|line| line[2..].to_owned()).collect();
    let twice = assert_arrived(&served, &arrived, &ledger);
    assert_eq!(twice, 0, "it does not see to what is behind its last reply");
    // Of the first connections of two shards, which did not know; each might have had so many.
    assert!(ledger.count("sent_again") < 2_000, "{ledger:?}");
}
