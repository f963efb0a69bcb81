//! Records come in the order of capture, whichever CPU they were captured on.

use mirror_capture::{LiveConfig, RingKind};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::{
    V4,
    lab::Lab,
    payload,
    watch::{Setup, Watch},
};

/// The CPUs that this thread may run on, four at most.
fn cpus() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let cpus = (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap());
    cpus.take(4).collect()
}

/// Has the calling thread, and those that it starts, run on this CPU.
fn run_on(cpu: usize) {
    let mut one = CpuSet::new();
    one.set(cpu).unwrap();
    sched_setaffinity(Pid::from_raw(0), &one).unwrap();
}

/// The SYN is captured on one CPU, what follows on others; nothing is read until all of it is
/// written.
fn in_the_order_of_capture(ring: RingKind) {
    let cpus = cpus();
    if cpus.len() < 2 {
        eprintln!("SKIPPED: records of one CPU are in order");
        return;
    }
    let Some(lab) = Lab::new() else { return };
    let mut watch = Watch::start(&Setup {
        live: LiveConfig {
            ring,
            ..LiveConfig::default()
        },
        ..Setup::new(&lab.server)
    });
    let mut ports = Vec::new();
    for turn in 0..40 {
        let mut order = cpus.iter().rev().cycle().skip(turn);
        let next = || run_on(*order.next().unwrap());
        ports.push(lab.send_step_by_step(V4, &payload(9_000), next));
    }
    watch.catch_up();
    for port in ports {
        let seen = watch.arrivals(port);
        let (first, _) = seen[0];
        assert!(
            seen.iter().all(|(seq, _)| !seq.precedes(first)),
            "port {port}: what follows the SYN came before it: {seen:?}"
        );
        assert!(
            seen.is_sorted_by_key(|(_, at)| *at),
            "port {port}: {seen:?}"
        );
        assert_eq!(watch.stream(port), Some(payload(9_000)));
    }
    assert!(watch.times().is_sorted(), "of all connections");
}

#[test]
fn by_bpf_ring() {
    in_the_order_of_capture(RingKind::Bpf);
}

#[test]
fn by_perf_ring() {
    in_the_order_of_capture(RingKind::Perf);
}
