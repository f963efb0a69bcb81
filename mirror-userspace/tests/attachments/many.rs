//! As many pods as a node has, attached in one go.

use std::{collections::BTreeSet, time::Instant};

use aya::programs::{ProgramError, ProgramInfo, SchedClassifier, TcAttachType, loaded_programs};
use mirror_capture::RingKind;
use mirror_common::settings::SEATS;
use mirror_runtime::{Daemon, DaemonConfig};

use crate::{config, counted, pod::Pod, target::Target, with_daemon};

/// Pods of a busy node, of which many come at once.
const PODS: usize = 35;

#[test]
fn many_at_once_are_soon_attached() {
    with_daemon(RingKind::Bpf, async |daemon, target| {
        let pods: Vec<Pod> = (0..PODS).map(|_| Pod::new()).collect();
        let begun = Instant::now();
        for pod in &pods {
            let start = Instant::now();
            daemon.attach(pod.place()).await.unwrap();
            print!("{:.1?} ", start.elapsed());
        }
        println!("{PODS} attached in {:.0?}", begun.elapsed());

        let mut entries = Vec::new();
        for pod in &pods {
            let Ok(attached) = pod.run(|| query("lo")) else {
                eprintln!("SKIPPED: no tcx here that could be asked");
                return;
            };
            entries.extend(attached);
        }
        assert_eq!(entries.len(), PODS);
        let shared = maps_of(&entries[0]);
        for entry in &entries {
            assert_eq!(maps_of(entry), shared, "all hand over by the same maps");
        }
        // Of other tests at the same time, there are others.
        let loaded = loaded_programs().flatten().filter(|info| {
            let maps = info.map_ids().ok().flatten().unwrap_or_default();
            let entered = entries.iter().any(|entry| entry.id() == info.id());
            !entered && maps.iter().any(|map| shared.contains(map))
        });
        let names: Vec<_> = loaded
            .map(|info| info.name_as_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["mirror"], "verified once, for all of them");

        for (port, pod) in (40_000..).zip(&pods) {
            pod.request(port, "/of/each");
        }
        target.wait_for(PODS);
    });
}

#[test]
fn a_full_set_of_programs_is_followed_by_another() {
    with_daemon(RingKind::Bpf, async |daemon, target| {
        // A hook has room for 64.
        let pods = [Pod::new(), Pod::new()];
        let each = SEATS / 2 + 1;
        let mut first = Vec::new();
        for pod in &pods {
            first.clear();
            for _ in 0..each {
                first.push(daemon.attach(pod.place()).await.unwrap());
            }
        }
        for (port, pod) in (40_000..).zip(&pods) {
            pod.request(port, "/of/each");
        }
        target.wait_for(2 * each);
        let Some(sets) = sets(&pods) else { return };
        assert_eq!(sets.len(), 2);

        // Seats are taken again, and counted in anew.
        for id in first {
            daemon.detach(id).await.unwrap();
        }
        let again = daemon.attach(pods[1].place()).await.unwrap();
        assert_eq!(counted(daemon, again).seen, 0);
        let now = self::sets(&pods).unwrap();
        assert!(now.is_subset(&sets), "no third one: {now:?}");
        pods[1].request(40_002, "/again");
        assert_eq!(target.wait_for(2 * each + 1)[0], "/again");
    });
}

#[test]
fn mirrors_share_programs_and_nothing_else() {
    with_daemon(RingKind::Bpf, async |first, to_first| {
        let capture = first.config().capture.clone();
        let like_it = |target: &Target| DaemonConfig {
            capture: capture.clone(),
            ..config(RingKind::Bpf, &format!("http://{}", target.address()))
        };
        let to_second = Target::start();
        let mut second = Daemon::start(like_it(&to_second)).await.unwrap();
        let pods = [Pod::new(), Pod::new()];
        first.attach(pods[0].place()).await.unwrap();
        second.attach(pods[1].place()).await.unwrap();
        for (pod, path) in pods.iter().zip(["/first", "/second"]) {
            pod.request(40_000, path);
        }
        assert_eq!(to_first.wait_for(1), ["/first"]);
        assert_eq!(to_second.wait_for(1), ["/second"]);
        let common = sets(&pods);
        assert!(common.as_ref().is_none_or(|sets| sets.len() == 1));

        // Who comes next has the place of the one that ends.
        let ledger = second.stop().await.unwrap();
        assert!(ledger.balanced, "{ledger}");
        let to_third = Target::start();
        let mut third = Daemon::start(like_it(&to_third)).await.unwrap();
        third.attach(pods[1].place()).await.unwrap();
        for (pod, path) in pods.iter().zip(["/first/again", "/third"]) {
            pod.request(40_001, path);
        }
        assert_eq!(to_first.wait_for(2), ["/first", "/first/again"]);
        assert_eq!(to_third.wait_for(1), ["/third"]);
        assert_eq!(sets(&pods), common);
        let ledger = third.stop().await.unwrap();
        assert!(ledger.balanced, "{ledger}");
    });
}

/// The maps of the sets of programs that the pods' entry points are of; `None`, said loudly, where there is
/// no tcx that could be asked.
fn sets(pods: &[Pod]) -> Option<BTreeSet<Vec<u32>>> {
    let mut sets = BTreeSet::new();
    for pod in pods {
        let Ok(entries) = pod.run(|| query("lo")) else {
            eprintln!("SKIPPED: no tcx here that could be asked");
            return None;
        };
        sets.extend(entries.iter().map(maps_of));
    }
    Some(sets)
}

fn maps_of(info: &ProgramInfo) -> Vec<u32> {
    info.map_ids().unwrap().unwrap()
}

/// The programs at an interface's ingress.
fn query(interface: &str) -> Result<Vec<ProgramInfo>, ProgramError> {
    SchedClassifier::query_tcx(interface, TcAttachType::Ingress).map(|(_, programs)| programs)
}
