//! What a frame costs on each way through the program, printed: `--nocapture cost --release`.
//!
//! Two figures: the mean of a test run, and what `kernel.bpf_stats_enabled=1` shows to an
//! operator, which adds the reading of a clock (some 60 ns under virtualisation).

use std::time::Duration;

use aya::{
    programs::{TestRun, TestRunOptions},
    sys::{Stats, enable_stats},
};
use mirror_common::counter::{
    Counter::{self, Copied, NoPayload, NotTcp, OtherPort, RingFull, SampledOut},
    slot,
};

use crate::{
    bed::{BOTH, Bed, entry, load_entry, program, tap_program},
    frame::{Frame, IPV6},
    tunnel::{Outer, VXLAN},
};

/// Runs in a batch: few enough for the ring to hold all that they copy.
const RUNS: u32 = 10_000;
const BATCHES: usize = 10;
/// Batches of each of two that are compared.
const TURNS: usize = 15;

/// The cheapest batch of a test run, and of the kernel's own statistics, a run.
pub(crate) fn measure(bed: &mut Bed, frame: &[u8], outcome: Counter) -> (Duration, Duration) {
    let run = |bed: &mut Bed| {
        let before = bed.counters();
        let stats = program(&mut bed.ebpf).info().unwrap().run_time();
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat: RUNS,
            ..TestRunOptions::default()
        };
        let result = program(&mut bed.ebpf).test_run(options).unwrap();
        let stats = program(&mut bed.ebpf).info().unwrap().run_time() - stats;
        let done = bed.done_since(&before);
        assert_eq!(done.count(outcome), u64::from(RUNS), "{outcome:?}");
        (result.duration, stats / RUNS)
    };
    let plain = (0..BATCHES).map(|_| run(bed).0).min().unwrap();
    let _on = enable_stats(Stats::RunTime).unwrap();
    let stats = (0..BATCHES).map(|_| run(bed).1).min().unwrap();
    (plain, stats)
}

#[test]
fn cost_of_each_way() {
    let frame = Frame::default;
    let sized = |len| Frame {
        payload: vec![7; len],
        ..frame()
    };
    for kind in BOTH {
        let mut bed = Bed::with_rings(kind, 1, 1 << 26);
        let mut show = |what: &str, frame: &Frame, threshold: u64, outcome: Counter| {
            bed.set(|settings| settings.threshold = threshold);
            let (plain, stats) = measure(&mut bed, &frame.bytes(), outcome);
            println!("{kind:5}{what:20}{plain:>8.0?}{stats:>8.0?} with bpf_stats");
        };
        let all = mirror_common::sample::ALWAYS;
        let other = Frame {
            destination_port: 81,
            ..frame()
        };
        show(
            "not TCP",
            &Frame {
                protocol: 17,
                ..frame()
            },
            all,
            NotTcp,
        );
        show("other port", &other, all, OtherPort);
        show(
            "other port, IPv6",
            &Frame {
                network: IPV6,
                ..other
            },
            all,
            OtherPort,
        );
        show("no payload", &sized(0), all, NoPayload);
        show("unsampled", &frame(), 1, SampledOut);
        show(
            "unsampled, IPv6",
            &Frame {
                network: IPV6,
                ..frame()
            },
            1,
            SampledOut,
        );
        for len in [18, 400, 1460] {
            show(&format!("copied, {len} bytes"), &sized(len), all, Copied);
        }
    }
    let mut bed = Bed::new(BOTH[0]);
    bed.set(|settings| settings.shards = 64);
    // This flow's shard has no ring.
    let lost = Frame {
        source_port: 40_001,
        ..frame()
    };
    let (plain, stats) = measure(&mut bed, &lost.bytes(), RingFull);
    println!(
        "{:5}{:20}{plain:>8.0?}{stats:>8.0?} with bpf_stats",
        "bpf", "no ring"
    );
}

/// What coming by an entry point adds, in turns with the program alone.
#[test]
fn cost_of_an_entry_point() {
    let other = Frame {
        destination_port: 81,
        ..Frame::default()
    };
    for kind in BOTH {
        let mut bed = Bed::with_rings(kind, 1, 1 << 26);
        load_entry(&mut bed.ebpf, 0, slot::REQUESTS);
        for (what, frame) in [("other port", &other), ("copied", &Frame::default())] {
            let frame = frame.bytes();
            let mut cheapest = [Duration::MAX; 2];
            for _ in 0..TURNS {
                for (way, cheapest) in cheapest.iter_mut().enumerate() {
                    let program = match way {
                        0 => program(&mut bed.ebpf),
                        _ => entry(&mut bed.ebpf, 0, slot::REQUESTS),
                    };
                    let options = TestRunOptions {
                        data_in: Some(&frame),
                        repeat: RUNS,
                        ..TestRunOptions::default()
                    };
                    let took = program.test_run(options).unwrap().duration;
                    *cheapest = took.min(*cheapest);
                    bed.records();
                }
            }
            let [alone, entered] = cheapest;
            println!("{kind:5}{what:20}{alone:>8.0?} alone {entered:>8.0?} by an entry point");
        }
    }
}

#[test]
fn cost_of_each_way_at_a_port_of_copies() {
    let Some(mut bed) = Bed::tap(1 << 26) else {
        return;
    };
    let mut show = |what: &str, frame: &[u8], threshold: u64, outcome: Counter| {
        bed.set(|settings| settings.threshold = threshold);
        let mut run = || {
            let before = bed.counters();
            // The ring holds all that they copy.
            let runs = if frame.len() > 2_000 { 900 } else { RUNS };
            let options = TestRunOptions {
                data_in: Some(frame),
                repeat: runs,
                ..TestRunOptions::default()
            };
            let result = tap_program(&mut bed.ebpf).test_run(options).unwrap();
            let done = bed.done_since(&before);
            assert_eq!(done.count(outcome), u64::from(runs), "{outcome:?}");
            result.duration
        };
        let cheapest = (0..BATCHES).map(|_| run()).min().unwrap();
        println!("xdp  {what:20}{cheapest:>8.0?}");
    };
    let frame = Frame::default;
    let sized = |len| Frame {
        payload: vec![7; len],
        ..frame()
    };
    let all = mirror_common::sample::ALWAYS;
    let other = Frame {
        destination_port: 81,
        ..frame()
    };
    show("other port", &other.bytes(), all, OtherPort);
    show("unsampled", &frame().bytes(), 1, SampledOut);
    for len in [18, 400, 1460, 5_000, 17_000, 60_000] {
        let what = format!("copied, {len} bytes");
        show(&what, &sized(len).bytes(), all, Copied);
    }
    let tunnel = VXLAN.around(Outer::V4, &sized(400));
    show("the same in VXLAN", &tunnel, all, Copied);
}
