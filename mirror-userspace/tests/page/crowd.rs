//! Fifty browsers that read, and one that never does.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use lab::{Host, Lab, Mirror};
use serde_json::Value;

use crate::{call, mirror, serve};

const BROWSERS: usize = 50;
/// Messages that each of them reads.
const MESSAGES: usize = 5;

/// A connection that has asked for the events, and a reader of it.
fn listen() -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect("127.0.0.1:9091").unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
        .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    BufReader::new(stream)
}

/// The next so many messages: podmirror's time of each.
fn read(browser: &mut BufReader<TcpStream>, messages: usize) -> Vec<f64> {
    let lines = browser.lines().map(Result::unwrap);
    let data = lines.filter_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    let told = data.map(|data| serde_json::from_str::<Value>(&data).unwrap());
    let times = told.filter_map(|books| books["uptime_seconds"].as_f64());
    times.take(messages).collect()
}

/// The bytes of memory that the process has for itself.
fn memory(mirror: &Mirror) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", mirror.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

/// The CPU time so far of the threads that mirror, and of the whole process.
fn cpu(mirror: &Mirror) -> [Duration; 2] {
    let process = format!("/proc/{}", mirror.id());
    let mut shards = Duration::ZERO;
    for thread in fs::read_dir(format!("{process}/task")).unwrap() {
        let thread = thread.unwrap().path();
        // Of one that has ended meanwhile there is nothing: none that mirrors does.
        let read = |file| fs::read_to_string(thread.join(file)).unwrap_or_default();
        if read("comm").starts_with("shard") {
            let nanos = read("schedstat");
            let nanos = nanos.split_whitespace().next().unwrap();
            shards += Duration::from_nanos(nanos.parse().unwrap());
        }
    }
    let stat = fs::read_to_string(format!("{process}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|text| text.parse::<u64>().unwrap()).sum();
    [shards, Duration::from_millis(ticks * 10)]
}

/// The share of a CPU that both took while `work` was done, and what came of it.
fn shares<T>(mirror: &Mirror, work: impl FnOnce() -> T) -> ([f64; 2], T) {
    let (begun, before) = (Instant::now(), cpu(mirror));
    let done = work();
    let (after, seconds) = (cpu(mirror), begun.elapsed().as_secs_f64());
    let share = |which: usize| after[which].saturating_sub(before[which]).as_secs_f64() / seconds;
    ([share(0), share(1)], done)
}

#[test]
fn fifty_browsers_and_one_that_never_reads_cost_one_snapshot_a_second() {
    let lab = Lab::new().unwrap();
    let _servers = [Host::V1, Host::V2].map(|host| serve(&lab, host, ""));
    let running = mirror(&lab);
    call(&lab, &["/orders/1"], 50);
    let told = lab.node.run(|| {
        let (nobody, ()) = shares(&running, || thread::sleep(Duration::from_secs(3)));
        let mut first = listen();
        read(&mut first, 1);
        let alone = memory(&running);
        let (one, _) = shares(&running, || read(&mut first, 3));
        let _deaf = listen();
        let (crowd, told) = shares(&running, || {
            let browsers = (0..BROWSERS).map(|_| thread::spawn(|| read(&mut listen(), MESSAGES)));
            let browsers: Vec<_> = browsers.collect();
            let told = browsers.into_iter().map(|one| one.join().unwrap());
            told.collect::<Vec<_>>()
        });
        println!("CPU shares of the shards, and of the process: {nobody:.4?} for nobody, {one:.4?} for one browser, {crowd:.4?} for {BROWSERS} and one that never reads");
        // What mirrors has one question a second to answer, however many browsers there are.
        assert!(crowd[0] < 2.0 * one[0] + 0.02, "{one:?} {crowd:?}");
        assert!(crowd[1] < one[1] + 0.25, "{crowd:?}");
        let more = memory(&running).saturating_sub(alone);
        println!("{BROWSERS} browsers and one that never reads: {more} bytes more");
        assert!(more < 4 << 20, "{more} bytes more");
        told
    });
    let told = told.unwrap();
    // How many were told of each snapshot, by its time.
    let mut snapshots = BTreeMap::new();
    for at in told.iter().flatten() {
        *snapshots.entry(Duration::from_secs_f64(*at)).or_insert(0) += 1;
    }
    assert_eq!(snapshots.values().sum::<usize>(), BROWSERS * MESSAGES);
    println!("told of each snapshot: {:?}", snapshots.values());
    let times: Vec<_> = snapshots.keys().collect();
    for pair in times.windows(2) {
        // By podmirror's clock: a message may be late, and the next one is not.
        let apart = *pair[1] - *pair[0];
        assert!(apart > Duration::from_millis(250), "{snapshots:?}");
    }
    // Nothing of it costs v1 anything.
    call(&lab, &["/orders/1"], 50);
    let ended = running.stop().unwrap();
    assert!(ended.ledger.balanced());
    assert_eq!(ended.ledger.count("/replies/answered/2xx").unwrap(), 100);
}
