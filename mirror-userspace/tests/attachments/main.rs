//! One daemon, several pods that come and go: real namespaces, real programs, a real target.
//!
//! Needs root, `ip`, and the kernel half in this build (`cargo xtask build-ebpf`).

#![cfg(test)]

/// Each of these with either kind of ring.
macro_rules! with_both_rings {
    ($($test:ident,)*) => {
        mod bpf_ring {
            $(#[test] fn $test() { super::$test(mirror_capture::RingKind::Bpf) })*
        }
        mod perf_ring {
            $(#[test] fn $test() { super::$test(mirror_capture::RingKind::Perf) })*
        }
    };
}

mod many;
mod marks;
mod pod;
mod shared;
mod target;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use mirror_capture::{AttachmentId, LiveConfig, RingKind};
use mirror_core::{
    counters::KernelCounters, ledger::Ledger, pipeline::Limits, policy::PolicyConfig, value::Rate,
    verdict::Terms,
};
use mirror_dispatch::DispatchConfig;
use mirror_runtime::{Daemon, DaemonConfig, Sink, Targets};
use pod::{Pod, get};
use target::Target;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// Runs a test with a daemon that mirrors to a target and has no attachment yet; then stops it, and
/// returns what its books say.
///
/// `None`, said loudly, if this is not root.
fn with_daemon(ring: RingKind, test: impl AsyncFnOnce(&mut Daemon, &Target)) -> Option<Ledger> {
    let config = |target: &Target| config(ring, &format!("http://{}", target.address()));
    with_config(config, test)
}

fn with_config(
    config: impl FnOnce(&Target) -> DaemonConfig,
    test: impl AsyncFnOnce(&mut Daemon, &Target),
) -> Option<Ledger> {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: network namespaces need root");
        return None;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let target = Target::start();
        let mut daemon = Daemon::start(config(&target)).await.unwrap();
        test(&mut daemon, &target).await;
        let ledger = daemon.stop().await.unwrap();
        assert!(ledger.balanced, "{ledger}");
        assert_eq!(ledger.segments.ring_full, 0, "{ledger}");
        Some(ledger)
    })
}

/// Two shards, or the one that the perf ring has, that send all to one target.
fn config(ring: RingKind, target: &str) -> DaemonConfig {
    let target = target.parse().unwrap();
    let sink = Sink::Targets(Targets::new([target]).unwrap());
    DaemonConfig {
        capture: LiveConfig {
            ring,
            shards: 2,
            ..LiveConfig::default()
        },
        limits: Limits {
            memory: 32 << 20,
            ..Limits::default()
        },
        policy: sink.policy(PolicyConfig::default()).unwrap(),
        sink,
        dispatch: DispatchConfig::default(),
        terms: Terms::default(),
    }
}

fn counted(daemon: &Daemon, id: AttachmentId) -> KernelCounters {
    let attachments = daemon.attachments().unwrap();
    let mut own = attachments.into_iter().filter(|(other, _)| *other == id);
    own.next().unwrap().1
}

/// Waits until this is so.
#[track_caller]
fn until(is_so: impl Fn() -> bool) {
    let mut looks = PATIENCE.as_millis() / LOOK.as_millis();
    while !is_so() {
        assert!(looks > 0, "waited long enough");
        looks -= 1;
        thread::sleep(LOOK);
    }
}

with_both_rings! {
    the_same_connection_in_two_namespaces_does_not_mix,
    detaching_one_leaves_the_other_and_keeps_its_counters,
    a_namespace_that_is_deleted_is_not_alive,
    the_rate_changes_everywhere_and_comes_back,
    a_mirror_that_sleeps_wakes_for_a_later_attachment,
    copies_for_a_service_go_where_its_endpoints_are,
    coming_and_going_under_traffic_keeps_the_books,
}

fn the_same_connection_in_two_namespaces_does_not_mix(ring: RingKind) {
    with_daemon(ring, async |daemon, target| {
        let pods = [Pod::new(), Pod::new()];
        for pod in &pods {
            daemon.attach(pod.place()).await.unwrap();
        }
        let mut clients = pods.each_ref().map(|pod| pod.connect(40_000));
        let requests = ["/first", "/second"].map(get);
        // A byte here, a byte there: mixed, neither would be a request.
        for at in 0..requests[0].len().max(requests[1].len()) {
            for (client, request) in clients.iter_mut().zip(&requests) {
                client.write(request.get(at..=at).unwrap_or_default());
            }
        }
        for client in &mut clients {
            client.take_reply();
        }
        assert_eq!(target.wait_for(2), ["/first", "/second"]);
    });
}

fn detaching_one_leaves_the_other_and_keeps_its_counters(ring: RingKind) {
    let mut before = KernelCounters::default();
    let ledger = with_daemon(ring, async |daemon, target| {
        let (leaving, staying) = (Pod::new(), Pod::new());
        let left = daemon.attach(leaving.place()).await.unwrap();
        let stays = daemon.attach(staying.place()).await.unwrap();
        leaving.request(40_000, "/leaving/1");
        staying.request(40_000, "/staying/1");
        target.wait_for(2);
        let copied = counted(daemon, left).copied;
        let mut unfinished = leaving.connect(40_001);
        unfinished.write(b"GET /unfinished HTTP/1.1\r\n");
        until(|| counted(daemon, left).copied >= copied + 2);

        before = counted(daemon, left);
        daemon.detach(left).await.unwrap();
        let ids = |daemon: &Daemon| -> Vec<_> {
            let attachments = daemon.attachments().unwrap();
            attachments.into_iter().map(|(id, _)| id).collect()
        };
        assert_eq!(ids(daemon), [stays]);
        assert!(!daemon.attachment_alive(left) && daemon.attachment_alive(stays));
        assert!(daemon.detach(left).await.is_err(), "it is gone");
        let ledger = daemon.ledger().await.unwrap();
        assert_eq!(ledger.requests.dropped["detached"], 1, "{ledger}");
        assert!(ledger.segments.copied >= before.copied, "{ledger}");

        unfinished.write(b"Host: v1\r\n\r\n");
        unfinished.take_reply();
        leaving.request(40_002, "/leaving/2");
        staying.request(40_002, "/staying/2");
        assert_eq!(
            target.wait_for(3),
            ["/leaving/1", "/staying/1", "/staying/2"]
        );

        let again = daemon.attach(leaving.place()).await.unwrap();
        assert!(again > stays, "numbers are not used again");
        leaving.request(40_003, "/leaving/3");
        assert_eq!(target.wait_for(4)[1], "/leaving/3");
    });
    if let Some(ledger) = ledger {
        assert_eq!(ledger.requests.framed, 5);
        assert!(before.copied > 0 && ledger.segments.copied > before.copied);
    }
}

fn a_namespace_that_is_deleted_is_not_alive(ring: RingKind) {
    with_daemon(ring, async |daemon, target| {
        let (deleted, other) = (Pod::new(), Pod::new());
        let id = daemon.attach(deleted.place()).await.unwrap();
        let others = daemon.attach(other.place()).await.unwrap();
        deleted.request(40_000, "/1");
        assert!(daemon.attachment_alive(id));
        drop(deleted);
        // It would never go if we still held it open.
        until(|| !daemon.attachment_alive(id));
        assert!(daemon.attachment_alive(others));
        daemon.detach(id).await.unwrap();
        other.request(40_000, "/2");
        assert_eq!(target.wait_for(2), ["/1", "/2"]);
    });
}

fn the_rate_changes_everywhere_and_comes_back(ring: RingKind) {
    with_daemon(ring, async |daemon, target| {
        let (first, second) = (Pod::new(), Pod::new());
        let early = daemon.attach(first.place()).await.unwrap();
        first.request(40_000, "/on");
        target.wait_for(1);

        daemon.set_sample_rate(Rate::ZERO).await.unwrap();
        let copied = counted(daemon, early).copied;
        let late = daemon.attach(second.place()).await.unwrap();
        first.request(40_001, "/off");
        second.request(40_001, "/off");
        assert_eq!(counted(daemon, early).copied, copied);
        assert_eq!(
            counted(daemon, late).copied,
            0,
            "a later one knows the rate"
        );
        assert!(counted(daemon, late).sampled_out > 0);

        daemon.set_sample_rate(Rate::ALL).await.unwrap();
        first.request(40_002, "/on/again");
        second.request(40_002, "/on/again");
        assert_eq!(target.wait_for(3), ["/on", "/on/again", "/on/again"]);
    });
}

fn a_mirror_that_sleeps_wakes_for_a_later_attachment(ring: RingKind) {
    with_daemon(ring, async |daemon, target| {
        // By now its readers sleep as deep as they do.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let pods: Vec<Pod> = (0..3).map(|_| Pod::new()).collect();
        for pod in &pods {
            daemon.attach(pod.place()).await.unwrap();
        }
        for (turn, port) in (40_000..40_004).enumerate() {
            for (number, pod) in pods.iter().enumerate() {
                pod.request(port, "/woken");
                target.wait_for(turn * pods.len() + number + 1);
            }
        }
    });
}

fn copies_for_a_service_go_where_its_endpoints_are(ring: RingKind) {
    let service = |_: &Target| config(ring, "service/default/web-v2:80");
    let ledger = with_config(service, async |daemon, target| {
        let pod = Pod::new();
        daemon.attach(pod.place()).await.unwrap();
        pod.request(40_000, "/waited");
        daemon.set_addresses(0, vec![target.address()]).await;
        assert_eq!(target.wait_for(1), ["/waited"]);
        pod.request(40_001, "/at/once");
        assert_eq!(target.wait_for(2), ["/at/once", "/waited"]);
    });
    if let Some(ledger) = ledger {
        let names: Vec<&String> = ledger.targets.keys().collect();
        assert_eq!(names, ["service/default/web-v2:80"]);
        assert_eq!(ledger.replies.answered["2xx"], 2);
    }
}

fn coming_and_going_under_traffic_keeps_the_books(ring: RingKind) {
    const TURNS: usize = 8;
    let mut steady = 0;
    let ledger = with_daemon(ring, async |daemon, target| {
        let stays = Arc::new(Pod::new());
        let comes_and_goes = Arc::new(Pod::new());
        daemon.attach(stays.place()).await.unwrap();
        let traffic = [
            Traffic::start(&stays, "/steady"),
            Traffic::start(&comes_and_goes, "/now-and-then"),
        ];
        let mut most = 0;
        for turn in 1..=TURNS {
            let id = daemon.attach(comes_and_goes.place()).await.unwrap();
            until(|| counted(daemon, id).copied > 50);
            most = most.max(counted(daemon, id).copied);
            daemon.detach(id).await.unwrap();
            let ledger = daemon.ledger().await.unwrap();
            assert!(ledger.segments.copied >= most, "turn {turn}: {ledger}");
        }
        let [at_stays, _] = traffic.map(Traffic::stop);
        steady = at_stays;
        until(|| target.count("/steady") == steady);
    });
    if let Some(ledger) = ledger {
        let lost = ledger.requests.dropped;
        assert!(steady > 0 && lost["shutdown"] == 0, "{lost:?}");
    }
}

/// One request after the other, each on a connection of its own, until told to stop.
struct Traffic {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<usize>,
}

impl Traffic {
    fn start(pod: &Arc<Pod>, target: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (pod, told) = (Arc::clone(pod), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut ports = (10_000..60_000).cycle();
            let ports = ports.by_ref().take_while(|_| !told.load(Ordering::Relaxed));
            ports.map(|port| pod.request(port, target)).count()
        });
        Self { stop, thread }
    }

    /// How many requests there were.
    fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
