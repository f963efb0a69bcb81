//! What a segment costs in the kernel half, by what becomes of it.

use std::time::Duration;

use anyhow::Result;
use lab::{Family, Host};

use super::{
    bpf::RunTimeCounting,
    drive,
    ground::{Ground, OTHER_PORT, PORT},
    loads,
    results::float,
    subjects::Subject,
};

/// One kind of segment.
#[derive(Clone, Debug)]
pub(super) struct KernelCost {
    pub(super) what: &'static str,
    /// The name of the load that it was measured under.
    pub(super) load: &'static str,
    pub(super) runs: u64,
    /// Mean nanoseconds per run of the program.
    pub(super) nanos: f64,
}

/// What is sent, to where, and the sample rate in percent.
const KINDS: [(&str, u16, u8); 3] = [
    ("of another port", OTHER_PORT, 100),
    ("of a connection that is not sampled", PORT, 0),
    ("of a connection that is sampled", PORT, 100),
];

/// Paid alone, with cold caches, and one after the other.
const LOADS: [&str; 2] = ["get-2000", "get-closed-32"];

const DURATION: Duration = Duration::from_secs(1);

/// Runs apart from everything else: counting BPF run time costs time.
pub(super) fn measure(ground: &Ground) -> Result<Vec<KernelCost>> {
    let mut counting = RunTimeCounting::start()?;
    let mut costs = Vec::new();
    let loads = loads::table();
    for load in loads.iter().filter(|load| LOADS.contains(&load.name)) {
        for (what, port, percent) in KINDS {
            let mirror = Subject::Podmirror(percent).start(ground, PORT)?;
            let before = counting.of(mirror.id())?;
            let target = Host::V1.address(Family::V4, port);
            drive::send(load, target, &ground.lab.client, DURATION)?;
            let cost = counting.of(mirror.id())?.since(before);
            mirror.stop()?;
            costs.push(KernelCost {
                what,
                load: load.name,
                runs: cost.runs,
                nanos: float(cost.nanos) / float(cost.runs),
            });
        }
    }
    Ok(costs)
}
