//! `podmirror check` says whether `podmirror run` works: both are run with the same flags in the same
//! circumstances, with fewer capabilities or less memory to lock.

use std::{
    process::{self, Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

use aya::util::KernelVersion;

use crate::lab::Lab;

/// The five that a pod without privileges has, and one that lifts a limit.
const CAPABILITIES: [&str; 6] = [
    "bpf",
    "perfmon",
    "net_admin",
    "sys_admin",
    "sys_ptrace",
    "ipc_lock",
];

/// The circumstances of a process.
#[derive(Clone, Copy)]
struct Circumstances {
    /// Which of [`CAPABILITIES`] it lacks.
    without: &'static [&'static str],
    /// The most memory that it may lock, in bytes; as it is, if `None`.
    locked: Option<u32>,
}

const WELL: Circumstances = Circumstances {
    without: &[],
    locked: None,
};

impl Circumstances {
    /// Runs podmirror with these arguments in the server's network namespace.
    ///
    /// It runs as a user whom nobody else is: what perf buffers may lock is counted by user.
    fn podmirror(self, lab: &Lab, arguments: &[&str]) -> Output {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = process::id() * 16 + COUNT.fetch_add(1, Ordering::Relaxed);
        let user = 20_000 + number % 40_000;
        // Whoever may run tests has the program where only he can reach it.
        let kept = CAPABILITIES.iter().chain(&["dac_override"]);
        let kept = kept.filter(|one| !self.without.contains(one));
        let kept: String = kept.map(|one| format!(",+{one}")).collect();
        let mut run = Command::new("ip");
        run.args(["netns", "exec", &lab.server]);
        if let Some(bytes) = self.locked {
            run.args(["prlimit", &format!("--memlock={bytes}")]);
        }
        run.arg("setpriv")
            .args(["--reuid", "--regid"].map(|id| format!("{id}={user}")))
            .arg("--clear-groups")
            .args(
                ["inh-caps", "ambient-caps", "bounding-set"]
                    .map(|set| format!("--{set}=-all{kept}")),
            )
            .arg(env!("CARGO_BIN_EXE_podmirror"))
            .args(arguments)
            .output()
            .unwrap()
    }
}

/// Whether this kernel is that one, or later.
fn has(major: u8, minor: u8) -> bool {
    KernelVersion::current().unwrap() >= KernelVersion::new(major, minor, 0)
}

/// Checks, runs, and returns what the check printed; the run has to say what the check said.
#[track_caller]
fn checked(circumstances: Circumstances, flags: &[&str]) -> Option<(bool, String)> {
    let lab = Lab::new()?;
    let check = circumstances.podmirror(&lab, &[&["check", "--interface=eth0"], flags].concat());
    let place = [
        "--interface=eth0",
        "--port=80",
        "--target=http://127.0.0.1:9",
    ];
    let run = [&["run", "--duration=100ms"], &place[..], flags].concat();
    let run = circumstances.podmirror(&lab, &run);
    let printed = String::from_utf8(check.stdout.clone()).unwrap();
    println!("{printed}");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(
        said.contains("podmirror: ") || run.status.success(),
        "{said}"
    );
    assert!(printed.contains("kernel program, BPF ring"), "{check:?}");
    assert_eq!(
        check.status.success(),
        run.status.success(),
        "{check:?} {run:?}"
    );
    assert_eq!(check.status.success(), !printed.contains("MISSING"));
    Some((check.status.success(), printed))
}

/// The line about this.
#[track_caller]
fn line<'a>(printed: &'a str, name: &str) -> &'a str {
    let mut lines = printed.lines();
    let of_it = |line: &&str| line.get(9..).is_some_and(|line| line.starts_with(name));
    lines
        .find(of_it)
        .unwrap_or_else(|| panic!("no line about {name}: {printed}"))
}

#[test]
fn with_all_that_is_needed_either_ring_is_tried_and_said() {
    for ring in ["bpf", "perf"] {
        for attach in ["ingress", "egress"] {
            let flags = [&format!("--ring={ring}")[..], &format!("--attach={attach}")];
            let Some((well, printed)) = checked(WELL, &flags) else {
                return;
            };
            assert!(well, "{printed}");
            for object in ["kernel program, BPF ring", "kernel program, perf ring"] {
                assert!(line(&printed, object).ends_with(" loaded"), "{printed}");
            }
            let rings = line(&printed, "rings");
            assert!(
                rings.contains(&format!("will use the {ring} ring")),
                "{rings}"
            );
            let attachment = line(&printed, "attachment");
            assert!(
                attachment.contains(&format!("to {attach} of ")),
                "{attachment}"
            );
            assert!(attachment.contains("network namespace of its own"));
        }
    }
}

#[test]
fn a_port_that_receives_copies_is_tried_as_one() {
    let Some(lab) = Lab::new() else { return };
    let check = WELL.podmirror(&lab, &["check", "--attach=xdp"]);
    let printed = String::from_utf8(check.stdout.clone()).unwrap();
    let modern = has(5, 18);
    assert_eq!(check.status.success(), modern, "{check:?}");
    let attachment = line(&printed, "attachment");
    let said = if modern {
        " by XDP,"
    } else {
        "--attach xdp needs Linux 5.18"
    };
    assert!(attachment.contains(said), "{printed}");
}

#[test]
fn five_capabilities_will_do_for_the_bpf_ring_whatever_may_be_locked() {
    let five = Circumstances {
        without: &["ipc_lock"],
        locked: Some(65_536),
    };
    let Some((well, printed)) = checked(five, &["--ring=bpf"]) else {
        return;
    };
    // Before, the rings count, and both say so.
    assert_eq!(well, has(5, 11), "{printed}");
}

#[test]
fn perf_buffers_that_may_not_be_locked_are_missing() {
    let paranoia = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap();
    if paranoia.trim().parse::<i32>().unwrap() < 0 {
        eprintln!("SKIPPED: perf_event_paranoid is -1 here, so that anybody may lock anything");
        return;
    }
    let tight = Circumstances {
        without: &["ipc_lock"],
        locked: Some(65_536),
    };
    let Some((well, printed)) = checked(tight, &["--ring=perf"]) else {
        return;
    };
    assert!(!well, "{printed}");
    let rings = line(&printed, "rings");
    assert!(
        rings.starts_with("MISSING") && rings.contains("grant CAP_IPC_LOCK"),
        "{rings}"
    );
    // Before Linux 5.11 the maps count, too, and want CAP_SYS_RESOURCE.
    let modern = has(5, 11);
    let little = ["--ring=perf", "--ring-size=256K"];
    let (well, printed) = checked(tight, &little).unwrap();
    assert_eq!(well, modern, "256 KiB a CPU are free: {printed}");
    let lifted = Circumstances {
        without: &[],
        ..tight
    };
    let (well, printed) = checked(lifted, &["--ring=perf"]).unwrap();
    assert_eq!(well, modern, "CAP_IPC_LOCK: {printed}");
}

#[test]
fn what_capturing_needs_is_missing_without_it() {
    // Who has CAP_SYS_ADMIN has CAP_BPF.
    let no_bpf: &[&str] = &["bpf", "sys_admin"];
    for (without, name) in [(no_bpf, "CAP_BPF"), (&["net_admin"], "CAP_NET_ADMIN")] {
        let poor = Circumstances { without, ..WELL };
        let Some((well, printed)) = checked(poor, &["--ring=bpf"]) else {
            return;
        };
        assert!(!well, "{printed}");
        for missing in [name, "rings"] {
            assert!(line(&printed, missing).starts_with("MISSING"), "{printed}");
        }
        assert!(line(&printed, "rings").contains(&format!("{name} missing")));
        let program = line(&printed, "kernel program, BPF ring");
        assert_eq!(
            program.starts_with("MISSING"),
            name == "CAP_BPF",
            "{program}"
        );
    }
}

#[test]
fn without_a_namespace_to_try_it_in_the_rest_is_tried() {
    let poor = Circumstances {
        without: &["sys_admin", "sys_ptrace"],
        ..WELL
    };
    let Some((well, printed)) = checked(poor, &["--ring=bpf"]) else {
        return;
    };
    assert!(well, "{printed}");
    assert!(line(&printed, "kernel program, BPF ring").ends_with(" loaded"));
    let attachment = line(&printed, "attachment");
    assert!(
        attachment.starts_with("less") && attachment.contains("not tried"),
        "{attachment}"
    );
}

#[test]
fn it_leaves_nothing_behind() {
    let Some(lab) = Lab::new() else { return };
    let before = lab.in_server("ls /sys/class/net");
    assert!(before.contains("eth0"), "{before}");
    let check = WELL.podmirror(&lab, &["check", "--interface=eth0"]);
    assert!(check.status.success(), "{check:?}");
    assert_eq!(lab.in_server("ls /sys/class/net"), before);
    let qdiscs = lab.in_server("tc qdisc show");
    assert!(!qdiscs.contains("clsact"), "{qdiscs}");
    assert!(crate::beside::tcx_programs(&lab).is_empty());
}
