//! Mirrors that share rings and threads: each has its own requests, its own books, and its own end.

use std::{
    cell::Cell,
    net::{Ipv4Addr, TcpListener, TcpStream},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use mirror_capture::RingKind;
use mirror_dispatch::DispatchConfig;
use mirror_runtime::{Daemon, DaemonConfig, Shards, UnclaimedRecords};
use tokio::time::timeout;

use crate::{PATIENCE, Traffic, config, pod::Pod, target::Target, until};

with_both_rings! {
    each_has_its_own_requests_and_its_own_books,
    one_that_waits_for_replies_keeps_no_other_waiting,
    mirrors_come_and_go_beside_one_that_stays,
    one_that_is_dropped_is_gone_and_the_others_go_on,
}

/// Runs a test with shards that no mirror has joined yet.
///
/// Nothing is tested, and that is said loudly, if this is not root.
fn with_shards(ring: RingKind, test: impl AsyncFnOnce(&Arc<Shards>)) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: network namespaces need root");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let shards = Shards::start(
            &to(ring, "http://127.0.0.1:1").capture,
            UnclaimedRecords::default(),
        )
        .unwrap();
        test(&shards).await;
    });
}

fn to(ring: RingKind, target: &str) -> DaemonConfig {
    config(ring, target)
}

/// A mirror of this pod.
async fn mirror(shards: &Arc<Shards>, config: DaemonConfig, pod: &Pod) -> Daemon {
    let mut daemon = Daemon::join(config, Arc::clone(shards)).await.unwrap();
    daemon.attach(pod.place()).await.unwrap();
    daemon
}

/// The next connection, which is waited for as long as anything is.
fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let accepted = Cell::new(None);
    until(|| {
        accepted.set(listener.accept().ok());
        let is_there = accepted.take();
        let found = is_there.is_some();
        accepted.set(is_there);
        found
    });
    accepted.take().unwrap().0
}

fn at(target: &Target) -> String {
    format!("http://{}", target.address())
}

fn each_has_its_own_requests_and_its_own_books(ring: RingKind) {
    with_shards(ring, async |shards| {
        let mut mirrors = Vec::new();
        for _ in 0..4 {
            let (pod, target) = (Pod::new(), Target::start());
            let daemon = mirror(shards, to(ring, &at(&target)), &pod).await;
            mirrors.push((pod, target, daemon));
        }
        for port in 40_000..40_003 {
            for (number, (pod, ..)) in mirrors.iter().enumerate() {
                pod.request(port, &format!("/{number}"));
            }
        }
        for (number, (_, target, daemon)) in mirrors.into_iter().enumerate() {
            let own = format!("/{number}");
            assert_eq!(target.wait_for(3), [own.as_str(); 3]);
            let ledger = daemon.stop().await.unwrap();
            assert!(ledger.balanced, "{ledger}");
            assert_eq!(ledger.requests.framed, 3, "{ledger}");
            assert_eq!(ledger.segments.copied, ledger.segments.read, "{ledger}");
            assert_eq!(ledger.replies.answered["2xx"], 3, "{ledger}");
        }
    });
}

fn one_that_waits_for_replies_keeps_no_other_waiting(ring: RingKind) {
    with_shards(ring, async |shards| {
        // It takes connections, and never says a word.
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = silent.local_addr().unwrap();
        let waits = DaemonConfig {
            dispatch: DispatchConfig {
                drain_timeout: 10 * PATIENCE,
                reply_timeout: 10 * PATIENCE,
                ..DispatchConfig::default()
            },
            ..to(ring, &format!("http://{address}"))
        };
        let (leaving, staying) = (Pod::new(), Pod::new());
        let target = Target::start();
        let leaves = mirror(shards, waits, &leaving).await;
        let stays = mirror(shards, to(ring, &at(&target)), &staying).await;
        leaving.request(40_000, "/unanswered");
        let copy = accept(&silent);

        let mut stop = pin!(leaves.stop());
        for (count, port) in (40_000..40_020).enumerate() {
            let others = async {
                staying.request(port, "/meanwhile");
                while target.count("/meanwhile") <= count {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                stays.ledger().await.unwrap()
            };
            tokio::select! {
                ended = &mut stop => panic!("it did not wait: {ended:?}"),
                ledger = timeout(PATIENCE, others) => {
                    assert_eq!(ledger.unwrap().requests.framed, count as u64 + 1);
                }
            }
        }
        // Its connection ends, and with it the wait.
        drop((copy, silent));
        let ledger = timeout(PATIENCE, stop).await.unwrap().unwrap();
        assert!(ledger.balanced, "{ledger}");
        assert_eq!(ledger.requests.framed, 1, "{ledger}");
        assert!(stays.stop().await.unwrap().balanced);
    });
}

fn mirrors_come_and_go_beside_one_that_stays(ring: RingKind) {
    with_shards(ring, async |shards| {
        let stays = Arc::new(Pod::new());
        let (to_steady, to_others) = (Target::start(), Target::start());
        let steady = mirror(shards, to(ring, &at(&to_steady)), &stays).await;
        let comes_and_goes = Arc::new(Pod::new());
        let traffic = [
            Traffic::start(&stays, "/steady"),
            Traffic::start(&comes_and_goes, "/now-and-then"),
        ];
        let mut copied = 0;
        for _ in 0..6 {
            let daemon = mirror(shards, to(ring, &at(&to_others)), &comes_and_goes).await;
            until(|| to_others.count("/now-and-then") > copied + 10);
            let ledger = daemon.stop().await.unwrap();
            assert!(ledger.balanced, "{ledger}");
            assert_eq!(ledger.segments.ring_full, 0, "{ledger}");
            copied = to_others.count("/now-and-then");
        }
        let [requests, _] = traffic.map(Traffic::stop);
        until(|| to_steady.count("/steady") == requests);
        assert_eq!(to_steady.count("/now-and-then"), 0);
        let ledger = steady.stop().await.unwrap();
        assert!(ledger.balanced, "{ledger}");
        assert_eq!(ledger.requests.framed, requests as u64, "{ledger}");
    });
}

fn one_that_is_dropped_is_gone_and_the_others_go_on(ring: RingKind) {
    with_shards(ring, async |shards| {
        let pods = [Pod::new(), Pod::new()];
        let targets = [Target::start(), Target::start()];
        let dropped = mirror(shards, to(ring, &at(&targets[0])), &pods[0]).await;
        let mut stays = mirror(shards, to(ring, &at(&targets[1])), &pods[1]).await;
        for pod in &pods {
            pod.request(40_000, "/before");
        }
        for target in &targets {
            target.wait_for(1);
        }
        drop(dropped);
        for pod in &pods {
            pod.request(40_001, "/after");
        }
        targets[1].wait_for(2);
        // Its pod is another one's from now on.
        stays.attach(pods[0].place()).await.unwrap();
        pods[0].request(40_002, "/of/another");
        assert_eq!(targets[1].wait_for(3)[2], "/of/another");
        assert_eq!(targets[0].count("/after"), 0);
        let ledger = stays.stop().await.unwrap();
        assert!(ledger.balanced, "{ledger}");
        assert!(!shards.are_broken());
    });
}
