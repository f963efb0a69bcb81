//! Ports that receive copies: what can't be attached to by XDP, and what is left of it.

use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use aya::util::KernelVersion;
use mirror_capture::{LiveConfig, RingKind, Tap};
use mirror_common::packet::Tunnels;

use crate::{
    V4,
    lab::Lab,
    payload,
    watch::{Setup, Watch},
};

const TAP: Tap = Tap {
    tunnels: Tunnels {
        vxlan: 4789,
        geneve: 6081,
    },
    pass: false,
};

/// `None`, said loudly, if this is not root, or the kernel is too old.
fn lab() -> Option<Lab> {
    if KernelVersion::current().unwrap() < KernelVersion::new(5, 18, 0) {
        eprintln!("SKIPPED: Linux 5.18 has XDP on frames of several buffers");
        return None;
    }
    Lab::new()
}

/// The server's interface, as if it were a port that receives copies.
fn tap(lab: &Lab) -> Setup {
    Setup {
        tap: Some(TAP),
        ..Setup::new(&lab.server)
    }
}

fn refused(setup: &Setup) -> String {
    match setup.start() {
        Ok(_) => panic!("attached"),
        Err(error) => format!("{error:#}"),
    }
}

fn has_xdp(lab: &Lab) -> bool {
    lab.in_server("ip link show dev eth0").contains("xdp")
}

/// Waits until the port has no program. A child that another test forked at that moment may hold a copy
/// of the link until it executes its program.
#[track_caller]
fn assert_gone(lab: &Lab) {
    for _ in 0..3_000 {
        if !has_xdp(lab) {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("the port still has a program");
}

#[test]
fn what_is_for_the_port_itself_is_mirrored_and_not_taken_away() {
    // Somebody who attaches to a pod by mistake makes it slow, and does not cut it off.
    let Some(lab) = lab() else { return };
    let mut watch = Watch::start(&tap(&lab));
    assert!(has_xdp(&lab) && watch.capture.is_alive(watch.id));
    let port = lab.send(V4, &payload(5_000));
    watch.catch_up();
    assert_eq!(watch.stream(port), Some(payload(5_000)));
    watch.capture.detach(watch.id).unwrap();
    assert_gone(&lab);
}

#[test]
fn another_xdp_program_is_left_in_its_place() {
    let Some(lab) = lab() else { return };
    let mut theirs = Watch::start(&tap(&lab));
    let error = refused(&tap(&lab));
    assert!(
        error.contains("`eth0` has another XDP program, and room for one: detach it"),
        "{error}"
    );
    let port = lab.send(V4, &payload(100));
    theirs.catch_up();
    assert_eq!(theirs.stream(port), Some(payload(100)));
}

#[test]
fn a_port_of_a_bridge_is_refused_unless_copies_go_on() {
    let Some(lab) = lab() else { return };
    lab.in_server("ip link add br0 type bridge");
    lab.in_server("ip link set eth0 master br0");
    let error = refused(&tap(&lab));
    assert!(error.contains("forwards what it receives"), "{error}");
    assert!(error.contains("--pass"), "{error}");
    let passing = Setup {
        tap: Some(Tap { pass: true, ..TAP }),
        ..tap(&lab)
    };
    drop(Watch::start(&passing));
}

#[test]
fn the_perf_ring_and_frames_without_ethernet_are_refused() {
    let Some(lab) = lab() else { return };
    let perf = Setup {
        live: LiveConfig {
            ring: RingKind::Perf,
            ..LiveConfig::default()
        },
        ..tap(&lab)
    };
    assert_eq!(
        refused(&perf),
        "--attach xdp feeds BPF rings only: use --ring bpf"
    );
    lab.in_server("ip tuntap add dev tun0 mode tun");
    let tunnel = Setup {
        interface: "tun0",
        ..tap(&lab)
    };
    let error = refused(&tunnel);
    assert!(error.contains("no Ethernet frames"), "{error}");
}

#[test]
fn a_port_that_goes_away_takes_its_attachment_along() {
    let Some(lab) = lab() else { return };
    let mut watch = Watch::start(&tap(&lab));
    lab.in_server("ip link del eth0");
    assert!(!watch.capture.is_alive(watch.id));
    watch.capture.detach(watch.id).unwrap();
}

#[test]
fn a_killed_process_leaves_no_program_at_the_port() {
    const NETNS: &str = "PODMIRROR_TEST_TAP_NETNS";
    if let Ok(netns) = env::var(NETNS) {
        let setup = Setup {
            tap: Some(TAP),
            ..Setup::new(&netns)
        };
        let _watch = Watch::start(&setup);
        println!("attached");
        loop {
            std::thread::park();
        }
    }
    let Some(lab) = lab() else { return };
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("taps::a_killed_process_leaves_no_program_at_the_port")
        .env(NETNS, &lab.server)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let attached = lines
        .map_while(Result::ok)
        .any(|line| line.contains("attached"));
    let had_xdp = has_xdp(&lab);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(attached && had_xdp);
    // The link goes with its process.
    assert_gone(&lab);
}
