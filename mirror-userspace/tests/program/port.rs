//! What a copy costs at the port that receives it, by TC and by XDP: `--nocapture port --release`.
//!
//! Frames come to the port as a driver's do: in page buffers, without a socket buffer, to a thread of
//! the kernel that does nothing else (threaded NAPI). Its CPU time is all that a frame costs: with TC
//! the socket buffer is made, the program run, and the stack finds that the frame is for another; with
//! XDP the program is run and the page taken back. The sender's is not in it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
    thread,
    time::{Duration, Instant},
};

use aya::{
    Ebpf, EbpfLoader,
    maps::Array,
    programs::{TcAttachType, TestRun, TestRunAttrs, TestRunOptions, Xdp, XdpMode},
};
use lab::{Namespace, packages};
use mirror_capture::object::RingKind;
use mirror_common::{
    counter::Counter::{self, Copied, OtherPort, SampledOut, Seen},
    sample::ALWAYS,
};

use crate::{
    bed::{Bed, program, tap_program},
    frame::Frame,
    tunnel::{Outer, VXLAN},
};

/// Frames at once: as many as a veth has room for, less a batch.
const BURST: u32 = 192;
/// Bursts in a run: few enough for the ring to hold all that they copy.
const BURSTS: u32 = 20;
/// A NAPI's budget, and a driver's batch.
const BATCH: u32 = 64;
const RUNS: usize = 3;
/// The ring's size unless told otherwise ([`mirror_capture::LiveConfig::RING_BYTES`]).
const RING: u32 = 16 << 20;

/// A port, and the wire that leads to it.
struct Port {
    namespace: Namespace,
    /// Its name, which no other run's port has: the thread is named for it.
    name: String,
    wire: Ebpf,
    /// The directory of the kernel's thread that serves the port, in `/proc`.
    napi: PathBuf,
}

fn run(namespace: &Namespace, program: &Path, arguments: &str) {
    let mut command = Command::new(program);
    command.args(arguments.split(' '));
    let output = namespace.output(&mut command).unwrap();
    assert!(
        output.status.success(),
        "{program:?} {arguments}: {output:?}"
    );
}

/// The object of what tests have instead of a network card.
fn wire_object() -> Vec<u8> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or("../target".into(), PathBuf::from);
    let file = target.join("bpf/wire.o");
    fs::read(&file).unwrap_or_else(|error| {
        panic!("{}: {error}: cargo xtask build-ebpf", file.display());
    })
}

impl Port {
    fn new() -> Self {
        let namespace = Namespace::unique("port").unwrap();
        let name = format!("p{}", process::id());
        namespace
            .ip(&format!(
                "link add wire type veth peer name {name}\nlink set wire up\nlink set {name} up"
            ))
            .unwrap();
        // With GRO the port polls as a driver does (NAPI), program or none.
        let ethtool = packages::require("ethtool").unwrap();
        run(&namespace, &ethtool, &format!("-K {name} gro on"));
        let mut threaded = Command::new("ip");
        threaded.args(["netns", "exec", namespace.name(), "sh", "-c"]);
        threaded.arg(format!("echo 1 > /sys/class/net/{name}/threaded"));
        assert!(threaded.status().unwrap().success(), "threaded NAPI");
        let mut wire = EbpfLoader::new().load(&wire_object()).unwrap();
        let index = namespace.run(|| nix::net::if_::if_nametoindex("wire").unwrap());
        let mut map: Array<_, u32> = wire.map_mut("INTERFACE").unwrap().try_into().unwrap();
        map.set(0, index.unwrap(), 0).unwrap();
        let program: &mut Xdp = wire.program_mut("wire").unwrap().try_into().unwrap();
        program.load().unwrap();
        Self {
            napi: napi_thread(&name),
            namespace,
            name,
            wire,
        }
    }

    /// The CPU time of the thread that serves the port.
    fn cpu_time(&self) -> Duration {
        let text = fs::read_to_string(self.napi.join("schedstat")).unwrap();
        let nanoseconds = text.split(' ').next().unwrap();
        Duration::from_nanos(nanoseconds.parse().unwrap())
    }

    /// Sends a frame [`BURST`] times.
    fn send(&mut self, frame: &[u8]) {
        let program: &mut Xdp = self.wire.program_mut("wire").unwrap().try_into().unwrap();
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat: BURST,
            attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
            ..TestRunOptions::default()
        };
        let run = self.namespace.run(|| program.test_run(options).unwrap());
        run.unwrap();
    }
}

/// Waits until it is so.
#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let patience = Instant::now();
    while !is_so() {
        assert!(
            patience.elapsed() < Duration::from_secs(30),
            "frames are lost"
        );
        thread::yield_now();
    }
}

/// The kernel's thread that serves an interface of this name.
fn napi_thread(interface: &str) -> PathBuf {
    let start = format!("napi/{interface}-");
    let threads = fs::read_dir("/proc").unwrap().flatten();
    threads
        .filter(|entry| {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            name.starts_with(&start)
        })
        .max_by_key(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .parse::<u32>()
                .unwrap_or(0)
        })
        .expect("threaded NAPI")
        .path()
}

/// CPU time a frame while a program is attached.
fn cost(port: &mut Port, bed: &mut Bed, frame: &[u8], outcome: Counter) -> Duration {
    let counters = bed.counters();
    let before = port.cpu_time();
    for burst in 1..=BURSTS {
        port.send(frame);
        let seen = counters[Seen as usize] + u64::from(BURST * burst);
        wait_until(|| bed.counters()[Seen as usize] >= seen);
    }
    let spent = port.cpu_time() - before;
    let done = bed.done_since(&counters);
    assert_eq!(done.count(outcome), u64::from(BURST * BURSTS), "{done:?}");
    spent / (BURST * BURSTS)
}

fn by_tc(port: &mut Port, bed: &mut Bed, frame: &[u8], outcome: Counter) -> Duration {
    let attach = || program(&mut bed.ebpf).attach(&port.name, TcAttachType::Ingress);
    let link = port.namespace.run(attach).unwrap().unwrap();
    let cost = cost(port, bed, frame, outcome);
    program(&mut bed.ebpf).detach(link).unwrap();
    cost
}

fn by_xdp(port: &mut Port, bed: &mut Bed, frame: &[u8], outcome: Counter) -> Duration {
    let attach = || tap_program(&mut bed.ebpf).attach(&port.name, XdpMode::Driver);
    let link = port.namespace.run(attach).unwrap().unwrap();
    let cost = cost(port, bed, frame, outcome);
    tap_program(&mut bed.ebpf).detach(link).unwrap();
    cost
}

#[test]
fn cost_of_a_copy_at_its_port() {
    let Some(mut xdp) = Bed::tap(RING) else {
        return;
    };
    let mut port = Port::new();
    let mut tc = Bed::with_rings(RingKind::Bpf, 1, RING);
    let sized = |len| Frame {
        payload: vec![7; len],
        ..Frame::default()
    };
    let other = Frame {
        destination_port: 81,
        ..sized(400)
    };
    for (what, frame, threshold, outcome) in [
        ("other port", other, ALWAYS, OtherPort),
        ("unsampled", sized(400), 1, SampledOut),
        ("copied, 18 bytes", sized(18), ALWAYS, Copied),
        ("copied, 400 bytes", sized(400), ALWAYS, Copied),
        ("copied, 1448 bytes", sized(1_448), ALWAYS, Copied),
    ] {
        for bed in [&mut tc, &mut xdp] {
            bed.set(|settings| settings.threshold = threshold);
        }
        let bytes = frame.bytes();
        // In alternation, and the cheapest of either: what else the machine does only adds.
        let (mut of_tc, mut of_xdp) = (Duration::MAX, Duration::MAX);
        for _ in 0..RUNS {
            of_tc = of_tc.min(by_tc(&mut port, &mut tc, &bytes, outcome));
            of_xdp = of_xdp.min(by_xdp(&mut port, &mut xdp, &bytes, outcome));
        }
        let ratio = of_xdp.as_secs_f64() / of_tc.as_secs_f64();
        println!("{what:20} TC {of_tc:>7.0?}   XDP {of_xdp:>7.0?}   ratio {ratio:.2}");
    }
    let tunnel = VXLAN.around(Outer::V4, &sized(400));
    let of_xdp = by_xdp(&mut port, &mut xdp, &tunnel, Copied);
    println!("copied out of VXLAN                 {of_xdp:>7.0?}");
}
