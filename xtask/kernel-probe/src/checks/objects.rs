//! The objects themselves, as they are embedded: the verifier takes them, and the kernel runs them
//! on a frame (`BPF_PROG_TEST_RUN`), on any architecture that the probe is built for.

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf,
    maps::PerCpuArray,
    programs::{SchedClassifier, TestRun as _, TestRunOptions},
};
use mirror_common::counter::{Counter, Counters};

use crate::report::{Check, Outcome};

/// One check an object.
pub(super) fn all() -> Vec<Check> {
    let check = |name: &'static str| Check::new(format!("object {name}"), move |_| try_one(name));
    ["ring", "perf"].map(check).into()
}

/// Its settings are zero: it looks at the frame, counts it, and copies nothing.
fn try_one(name: &str) -> Result<Outcome> {
    let mut ebpf = Ebpf::load_file(format!("/objects/{name}.o"))?;
    let program = ebpf.program_mut("mirror").context("no program `mirror`")?;
    let program: &mut SchedClassifier = program.try_into()?;
    program.load()?;
    let frame = frame();
    let result = program.test_run(TestRunOptions {
        data_in: Some(&frame),
        repeat: 3,
        ..TestRunOptions::default()
    })?;
    ensure!(
        result.return_value.cast_signed() == -1,
        "it returns {}, not TC_ACT_UNSPEC",
        result.return_value
    );
    let map = ebpf.map("COUNTERS").context("no counters")?;
    let counters: PerCpuArray<_, Counters> = map.try_into()?;
    let each = counters.get(&0, 0)?;
    let sum = |counter: Counter| -> u64 {
        let of_cpus = each.iter().filter_map(|one| one.get(counter as usize));
        of_cpus.sum()
    };
    let counted = (sum(Counter::Seen), sum(Counter::OtherPort));
    ensure!(
        counted == (3, 3),
        "seen, and of another port, are {counted:?} of three segments"
    );
    Ok(Outcome::Passed("loads and runs".to_owned()))
}

/// TCP over IPv4, without link layer, as zero settings say. It is as long as a kernel asks for.
fn frame() -> Vec<u8> {
    const TCP: u8 = 6;
    let ip = [
        0x45, 0, 0, 40, 0, 0, 0, 0, 64, TCP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
    let ports_and_numbers = [0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1];
    let five_words_and_ack = [0x50, 0x10];
    let mut frame = [&ip[..], &ports_and_numbers, &five_words_and_ack].concat();
    frame.resize(64, 0);
    frame
}
