//! As many pods as a node has, attached in one go.

use std::time::Instant;

use aya::programs::{ProgramError, ProgramInfo, SchedClassifier, TcAttachType, loaded_programs};
use mirror_capture::RingKind;

use crate::{pod::Pod, with_daemon};

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

        let of_maps = |info: &ProgramInfo| info.map_ids().unwrap().unwrap();
        let mut entries = Vec::new();
        for pod in &pods {
            let Ok(attached) = pod.run(|| query("lo")) else {
                eprintln!("SKIPPED: no tcx here that could be asked");
                return;
            };
            entries.extend(attached);
        }
        assert_eq!(entries.len(), PODS);
        let shared = of_maps(&entries[0]);
        for entry in &entries {
            assert_eq!(of_maps(entry), shared, "all hand over by the same maps");
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

/// The programs at an interface's ingress.
fn query(interface: &str) -> Result<Vec<ProgramInfo>, ProgramError> {
    SchedClassifier::query_tcx(interface, TcAttachType::Ingress).map(|(_, programs)| programs)
}
