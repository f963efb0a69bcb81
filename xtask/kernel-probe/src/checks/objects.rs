//! The objects themselves, as they are embedded: the verifier takes them, and the kernel runs them
//! on a frame (`BPF_PROG_TEST_RUN`), on any architecture that the probe is built for.

use anyhow::{Context as _, Result, bail, ensure};
use aya::{
    Ebpf,
    maps::PerCpuArray,
    programs::{ProgramError, SchedClassifier, TestRun, TestRunOptions, TestRunResult, Xdp},
};
use mirror_common::counter::{Counter, Counters};

use crate::{
    boot::Machine,
    report::{Check, Outcome},
};

/// What a program for pods returns, as the kernel prints it: `TC_ACT_UNSPEC`.
const NEXT: i32 = -1;
/// What XDP programs return.
const XDP_DROP: i32 = 1;
const XDP_REDIRECT: i32 = 4;
/// How often each is run.
const TIMES: u32 = 3;

/// One check an object.
pub(super) fn all() -> Vec<Check> {
    let mut checks = Vec::new();
    for name in ["ring", "perf"] {
        checks.push(Check::new(format!("object {name}"), move |_| {
            for_pods(name)
        }));
    }
    checks.push(Check::new("object xdp", for_ports));
    checks.push(Check::new("object wire", |_| wire()));
    checks
}

fn load(name: &str) -> Result<Ebpf> {
    Ok(Ebpf::load_file(format!("/objects/{name}.o"))?)
}

/// Runs a program, and compares what it returns.
fn run<P>(program: &P, frame: &[u8], wanted: i32) -> Result<()>
where
    P: for<'a> TestRun<Opts<'a> = TestRunOptions<'a>, Result = TestRunResult>,
{
    let result = program.test_run(TestRunOptions {
        data_in: Some(frame),
        repeat: TIMES,
        ..TestRunOptions::default()
    })?;
    let returned = result.return_value.cast_signed();
    ensure!(returned == wanted, "it returns {returned}, not {wanted}");
    Ok(())
}

/// The program, and the one that takes tunnels off. Its settings are zero: it looks at the frame, counts
/// it, and copies nothing.
fn for_pods(name: &str) -> Result<Outcome> {
    for program in ["mirror", "decap"] {
        let mut ebpf = load(name)?;
        let program = ebpf.program_mut(program).context("no such program")?;
        let program: &mut SchedClassifier = program.try_into()?;
        program.load()?;
        run(program, &frame(&[]), NEXT)?;
        counted(&ebpf)?;
    }
    Ok(Outcome::Passed("loads and runs".to_owned()))
}

/// The same of the program for ports that receive copies. The frame is for another station, so it ends
/// there.
fn for_ports(machine: &Machine) -> Result<Outcome> {
    let mut ebpf = load("xdp")?;
    let program = ebpf.program_mut("mirror").context("no program `mirror`")?;
    let program: &mut Xdp = program.try_into()?;
    match (program.load(), machine.has(5, 18)) {
        (Ok(()), true) => {}
        (Err(ProgramError::LoadError { io_error, .. }), false) => {
            let why = format!("refused before Linux 5.18: {io_error}");
            eprintln!("{why}");
            return Ok(Outcome::Passed("refused before Linux 5.18".to_owned()));
        }
        (Err(error), _) => return Err(error.into()),
        (Ok(()), false) => bail!("it loads before Linux 5.18, which has no bpf_xdp_load_bytes"),
    }
    const STATIONS_AND_IPV4: [u8; 14] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    run(program, &frame(&STATIONS_AND_IPV4), XDP_DROP)?;
    counted(&ebpf)?;
    Ok(Outcome::Passed("loads and runs".to_owned()))
}

/// What tests send frames with.
fn wire() -> Result<Outcome> {
    let mut ebpf = load("wire")?;
    let program: &mut Xdp = ebpf
        .program_mut("wire")
        .context("no program `wire`")?
        .try_into()?;
    program.load()?;
    run(program, &frame(&[]), XDP_REDIRECT)?;
    Ok(Outcome::Passed("loads and runs".to_owned()))
}

fn counted(ebpf: &Ebpf) -> Result<()> {
    let map = ebpf.map("COUNTERS").context("no counters")?;
    let counters: PerCpuArray<_, Counters> = map.try_into()?;
    let each = counters.get(&0, 0)?;
    let sum = |counter: Counter| -> u64 {
        let of_cpus = each.iter().filter_map(|one| one.get(counter as usize));
        of_cpus.sum()
    };
    let counted = (sum(Counter::Seen), sum(Counter::OtherPort));
    let times = u64::from(TIMES);
    ensure!(
        counted == (times, times),
        "seen, and of another port, are {counted:?} of {TIMES} segments"
    );
    Ok(())
}

/// TCP over IPv4 behind this link layer. It is as long as a kernel asks for.
fn frame(link: &[u8]) -> Vec<u8> {
    const TCP: u8 = 6;
    let ip = [
        0x45, 0, 0, 40, 0, 0, 0, 0, 64, TCP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
    let ports_and_numbers = [0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1];
    let five_words_and_ack = [0x50, 0x10];
    let mut frame = [link, &ip, &ports_and_numbers, &five_words_and_ack].concat();
    frame.resize(link.len() + 64, 0);
    frame
}
