//! What a segment costs in the kernel half, by what becomes of it.

use std::time::Duration;

use anyhow::Result;
use xtask::{
    lab::{Family, Host},
    load::Load,
};

use super::{
    bpf::{RunTime, RunTimeCounting},
    ground::{Ground, OTHER_PORT, PORT},
    results::float,
    subjects::Subject,
};

/// One kind of segment.
#[derive(Clone, Debug)]
pub(super) struct KernelCost {
    pub(super) what: &'static str,
    pub(super) runs: u64,
    /// Of one run, the mean.
    pub(super) nanos: f64,
}

/// Requests a second; each is two segments and two acknowledgements at most.
const RATE: f64 = 2_000.0;

/// What is sent, to where, and the sample rate in percent.
const KINDS: [(&str, u16, u8); 3] = [
    ("of another port", OTHER_PORT, 100),
    ("of a connection that is not sampled", PORT, 0),
    (
        "of a connection that is sampled (GET, with its acknowledgements)",
        PORT,
        100,
    ),
];

/// Runs apart from everything else: counting BPF run time costs time.
pub(super) fn measure(ground: &Ground) -> Result<Vec<KernelCost>> {
    let _counting = RunTimeCounting::start()?;
    KINDS
        .into_iter()
        .map(|(what, port, percent)| {
            let mirror = Subject::Podmirror(percent).start(ground)?;
            let before = RunTime::of(mirror.id());
            let target = Host::V1.address(Family::V4, port);
            Load::get(target, RATE, Duration::from_secs(1)).run(&ground.lab.client, |_| ())?;
            let cost = RunTime::of(mirror.id()).since(before);
            mirror.stop()?;
            Ok(KernelCost {
                what,
                runs: cost.runs,
                nanos: float(cost.nanos) / float(cost.runs),
            })
        })
        .collect()
}
