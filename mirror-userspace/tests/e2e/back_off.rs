//! A v2 that takes so much and refuses the rest (nginx with `limit_req`), requests or calls of gRPC: it gets as much as it
//! takes, and all again once it takes more.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use lab::{
    AccessLogEntry, Family, Host, Lab, Nginx, NginxConfig,
    load::{Http2Load, Http2Pace, Load},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{mirror::Mirror, scene::target};

/// How long v2 may take to get what it takes, and not more.
const PATIENCE: Duration = Duration::from_secs(180);

/// Requests per second that come to v1; v2 takes a quarter.
const OFFERED: f64 = 200.0;

/// What nginx answers a call with that it refuses; what counts to callers is the `grpc-status`.
const REFUSED_CALL: u16 = 204;

/// What of nginx's configuration knows how much there is room for: 50 requests per second, 25 at once.
const ROOM: &str = "limit_req_zone $server_port zone=all:1m rate=50r/s;";

/// A v2 that refuses more requests.
fn limited(lab: &Lab) -> Nginx {
    let config = NginxConfig {
        listen: vec![Host::V2.address(Family::V4, 80)],
        access_log: true,
        beside: ROOM.into(),
        extra: "limit_req_status 503; limit_req_log_level info;
            location = / { limit_req zone=all burst=25 nodelay; try_files /none @reply; }
            location @reply { return 200 \"v2\"; }"
            .into(),
        ..NginxConfig::default()
    };
    Nginx::start(&lab.v2, &config).unwrap()
}

/// A v2 that ends more calls of gRPC with UNAVAILABLE, which is 14.
fn limited_grpc(lab: &Lab) -> Nginx {
    let mut config = NginxConfig::grpc(Host::V2.address(Family::V4, 80), true);
    config.beside = ROOM.into();
    let begins = "location /shop.Cart/ {";
    assert!(config.extra.contains(begins));
    let limits =
        format!("{begins} limit_req zone=all burst=25 nodelay; error_page 503 = @refused;");
    config.extra = config.extra.replace(begins, &limits);
    config.extra += "limit_req_status 503; limit_req_log_level info;
        location @refused { add_header grpc-status 14 always; return 204; }";
    Nginx::start(&lab.v2, &config).unwrap()
}

/// nginx reads its configuration anew, with another limit.
fn lift_limit(v2: &Nginx) {
    let folder: PathBuf = v2.access_log_file().parent().unwrap().into();
    let file: &Path = &folder.join("nginx.conf");
    let before = fs::read_to_string(file).unwrap();
    let after = before.replace("rate=50r/s", "rate=100000r/s");
    assert_ne!(before, after);
    fs::write(file, after).unwrap();
    let pid = Pid::from_raw(i32::try_from(v2.id()).unwrap());
    kill(pid, Signal::SIGHUP).unwrap();
}

/// Waits until the last 200 replies of v2 are like this.
fn wait_until(v2: &Nginx, what: &str, like: impl Fn(&[AccessLogEntry]) -> bool) {
    let begun = Instant::now();
    loop {
        let log = v2.access_log().unwrap();
        let last = log.len().saturating_sub(200);
        if log.len() >= 200 && like(&log[last..]) {
            return;
        }
        let shown: Vec<u16> = log[last..].iter().map(|entry| entry.status).collect();
        assert!(begun.elapsed() < PATIENCE, "{what}: {shown:?}");
        thread::sleep(Duration::from_millis(250));
    }
}

fn refused(replies: &[AccessLogEntry]) -> usize {
    replies
        .iter()
        .filter(|it| matches!(it.status, 429 | 503 | REFUSED_CALL))
        .count()
}

/// Ends the load, whatever comes.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_v2_that_answers_503_gets_what_it_takes_and_all_again_later() {
    let lab = Lab::new().unwrap();
    let v1 = NginxConfig {
        listen: vec![Host::V1.address(Family::V4, 80)],
        reply: "v1".into(),
        ..NginxConfig::default()
    };
    let _v1 = Nginx::start(&lab.v1, &v1).unwrap();
    let v2 = limited(&lab);
    play(&lab, &v2, || {
        let v1 = Host::V1.address(Family::V4, 80);
        let load = Load::get(v1, OFFERED, Duration::from_secs(2));
        load.run(&lab.client, |_| {}).unwrap();
    });
}

#[test]
fn a_v2_that_ends_calls_with_unavailable_gets_what_it_takes_and_all_again_later() {
    let lab = Lab::new().unwrap();
    let v1 = Host::V1.address(Family::V4, 80);
    let _v1 = Nginx::start(&lab.v1, &NginxConfig::grpc(v1, false)).unwrap();
    let v2 = limited_grpc(&lab);
    play(&lab, &v2, || {
        let load = Http2Load {
            target: v1,
            path: "/shop.Cart/Add".into(),
            message: Some(b"hello".to_vec()),
            pace: Http2Pace::Fixed {
                rate: OFFERED,
                duration: Duration::from_secs(5),
            },
            connections: 2,
            streams: 4,
        };
        load.run(&lab.client).unwrap();
    });
}

/// Whether v2 gets what it takes of this load, which is made again and again.
fn play(lab: &Lab, v2: &Nginx, load: impl Fn() + Sync) {
    let flags = ["--back-off", "on", "--shards", "1"];
    let mirror = Mirror::start(lab, &target(Family::V4), &flags);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                load();
            }
        });
        let _done = Done(&done);
        mirror.wait_for(
            "it answers 429 or 503 (in gRPC: RESOURCE_EXHAUSTED or UNAVAILABLE): backing off",
        );
        // Without, three of four would be refused.
        wait_until(v2, "v2 gets what it takes", |it| refused(it) < 20);
        lift_limit(v2);
        mirror.wait_for("it keeps up again: all is sent");
    });
    let ledger = mirror.stop();
    assert!(ledger.count("requests/dropped/backing_off") > 0);
    assert_eq!(ledger.count("requests/dropped/breaker_open"), 0);
}
