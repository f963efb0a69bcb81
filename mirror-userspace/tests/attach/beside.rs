//! Other programs at the same hook keep running, and nothing of ours stays behind.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use aya::{
    programs::{SchedClassifier, TcAttachType},
    util::KernelVersion,
};
use mirror_capture::{LiveConfig, Method};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::{
    V4,
    lab::{Lab, within},
    payload,
    watch::{Setup, Watch},
};

/// Whether this kernel has tcx.
pub(crate) fn has_tcx() -> bool {
    KernelVersion::current().unwrap() >= KernelVersion::new(6, 6, 0)
}

/// The ids of the tcx programs at the server's ingress, in the order in which they run; none where
/// there is no tcx.
pub(crate) fn tcx_programs(lab: &Lab) -> Vec<u32> {
    if !has_tcx() {
        return Vec::new();
    }
    within(&lab.server, || {
        let (_, programs) = SchedClassifier::query_tcx("eth0", TcAttachType::Ingress).unwrap();
        programs.iter().map(|program| program.id()).collect()
    })
}

fn filters(lab: &Lab) -> String {
    lab.in_server("tc filter show dev eth0 ingress")
}

/// A capture by filter, noted in `notes`.
fn by_filter(lab: &Lab, notes: &Path) -> Setup {
    Setup {
        live: LiveConfig {
            method: Method::Filter,
            notes: notes.to_owned(),
            ..LiveConfig::default()
        },
        ..Setup::new(&lab.server)
    }
}

fn captures(lab: &Lab, watch: &mut Watch) -> bool {
    let port = lab.send(V4, &payload(5_000));
    watch.catch_up();
    watch.stream(port) == Some(payload(5_000))
}

#[test]
fn two_by_tcx_both_see_all_and_the_later_is_first() {
    if !has_tcx() {
        eprintln!("SKIPPED: Linux 6.6 has tcx");
        return;
    }
    let Some(lab) = Lab::new() else { return };
    let mut theirs = Watch::start(&Setup::new(&lab.server));
    let before = tcx_programs(&lab);
    assert_eq!(before.len(), 1);
    assert!(theirs.capture.is_tcx(theirs.id));

    let mut ours = Watch::start(&Setup::new(&lab.server));
    let both = tcx_programs(&lab);
    assert_eq!(both[1..], before, "at the head");
    assert!(captures(&lab, &mut ours));
    theirs.catch_up();
    let seen = |watch: &Watch| watch.capture.counters().unwrap().copied;
    assert_eq!(
        seen(&ours),
        seen(&theirs),
        "no verdict keeps frames from the next"
    );

    drop(ours);
    assert_eq!(tcx_programs(&lab), before);
    assert!(captures(&lab, &mut theirs));
}

#[test]
fn detaching_ends_it_and_counters_stay() {
    let Some(lab) = Lab::new() else { return };
    let mut watch = Watch::start(&Setup::new(&lab.server));
    assert!(captures(&lab, &mut watch));
    watch.capture.detach(watch.id).unwrap();
    assert!(tcx_programs(&lab).is_empty());
    let before = watch.capture.counters().unwrap();
    lab.send(V4, &payload(10));
    assert_eq!(watch.capture.counters().unwrap(), before);
    let again = watch.capture.detach(watch.id).unwrap_err().to_string();
    assert_eq!(again, "there is no attachment 0");
}

/// Copies of this process's files that are links of programs, as a process has them that was forked
/// from it and is not yet another program.
fn held_links() -> Vec<OwnedFd> {
    let us = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let files = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let links = files.filter(|file| {
        let target = fs::read_link(file.path()).unwrap_or_default();
        target.to_string_lossy().starts_with("anon_inode:bpf_link")
    });
    let number = |file: fs::DirEntry| file.file_name().to_str().unwrap().parse().unwrap();
    links
        .map(|file| pidfd_getfd(&us, number(file), PidfdGetfdFlags::empty()).unwrap())
        .collect()
}

#[test]
fn detached_is_detached_whoever_holds_the_link() {
    if !has_tcx() {
        eprintln!("SKIPPED: Linux 6.6 has tcx");
        return;
    }
    let Some(lab) = Lab::new() else { return };
    let mut watch = Watch::start(&Setup::new(&lab.server));
    let held = held_links();
    assert!(!held.is_empty());
    let lets_go = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        drop(held);
    });
    watch.capture.detach(watch.id).unwrap();
    assert!(tcx_programs(&lab).is_empty());
    lets_go.join().unwrap();
}

#[test]
fn a_panic_detaches() {
    let Some(lab) = Lab::new() else { return };
    let notes = tempfile::tempdir().unwrap();
    for setup in [Setup::new(&lab.server), by_filter(&lab, notes.path())] {
        let panicked = std::panic::catch_unwind(|| {
            let _watch = Watch::start(&setup);
            panic!("expected by this test");
        });
        assert!(panicked.is_err());
        assert!(tcx_programs(&lab).is_empty());
        assert!(!filters(&lab).contains("mirror"), "{}", filters(&lab));
    }
}

#[test]
fn our_filter_goes_and_theirs_stay() {
    let Some(lab) = Lab::new() else { return };
    let notes = tempfile::tempdir().unwrap();
    // The first priority is taken by a filter of another kind, which matches nothing here.
    lab.in_server("tc qdisc add dev eth0 clsact");
    lab.in_server(
        "tc filter add dev eth0 ingress protocol all prio 1 u32 match u32 0x12345678 0xffffffff flowid 1:1",
    );
    let before = filters(&lab);

    let mut first = Watch::start(&by_filter(&lab, notes.path()));
    assert!(!first.capture.is_tcx(first.id) && tcx_programs(&lab).is_empty());
    let mut second = Watch::start(&by_filter(&lab, notes.path()));
    let all = filters(&lab);
    for handle in ["0x706d0001", "0x706d0002"] {
        assert!(all.contains(handle), "{all}");
    }
    assert!(captures(&lab, &mut second));
    first.catch_up();
    assert!(captures(&lab, &mut first));

    drop(first);
    assert!(
        captures(&lab, &mut second),
        "the other of us is somebody else, too"
    );
    drop(second);
    assert_eq!(filters(&lab), before);
    assert!(lab.in_server("tc qdisc show dev eth0").contains("clsact"));
    assert_eq!(
        fs::read_dir(notes.path()).unwrap().count(),
        0,
        "no note stays"
    );
}

#[test]
fn a_filter_that_took_our_place_is_not_deleted() {
    let Some(lab) = Lab::new() else { return };
    let notes = tempfile::tempdir().unwrap();
    let mut ours = Watch::start(&by_filter(&lab, notes.path()));
    // Somebody deletes our filter, and the next has its priority and handle.
    lab.in_server("tc filter del dev eth0 ingress");
    let elsewhere = tempfile::tempdir().unwrap();
    let mut theirs = Watch::start(&by_filter(&lab, elsewhere.path()));
    assert!(filters(&lab).contains("0x706d0001"));
    ours.capture.detach(ours.id).unwrap();
    assert!(captures(&lab, &mut theirs));
}

#[test]
fn what_a_killed_process_leaves_is_gone_at_the_next_start() {
    const NETNS: &str = "PODMIRROR_TEST_NETNS";
    const NOTES: &str = "PODMIRROR_TEST_NOTES";
    if let (Ok(netns), Ok(notes)) = (env::var(NETNS), env::var(NOTES)) {
        be_killed(&netns, &notes);
    }
    let Some(lab) = Lab::new() else { return };
    let notes = tempfile::tempdir().unwrap();
    let killed_while_attached = |notes: &Path| {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("beside::what_a_killed_process_leaves_is_gone_at_the_next_start")
            .env(NETNS, &lab.server)
            .env(NOTES, notes)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let _killed = Killed(child);
        let mut lines = lines.map_while(Result::ok);
        assert!(
            lines.any(|line| line.contains("attached")),
            "it ended early"
        );
        assert!(!tcx_programs(&lab).is_empty() || filters(&lab).contains("0x706d"));
    };

    if has_tcx() {
        killed_while_attached(Path::new(""));
        assert!(
            tcx_programs(&lab).is_empty(),
            "a tcx link goes with its process"
        );
    }

    killed_while_attached(notes.path());
    assert!(filters(&lab).contains("0x706d0001"), "a filter stays");
    let mut next = Watch::start(&by_filter(&lab, notes.path()));
    assert_eq!(
        filters(&lab).matches("direct-action").count(),
        1,
        "{}",
        filters(&lab)
    );
    assert!(captures(&lab, &mut next));
    drop(next);
    assert!(!filters(&lab).contains("mirror"), "{}", filters(&lab));
}

/// Attaches, says so, and waits for its end.
fn be_killed(netns: &str, notes: &str) -> ! {
    let mut setup = Setup::new(netns);
    if !notes.is_empty() {
        setup.live.method = Method::Filter;
        setup.live.notes = notes.into();
    }
    let _watch = Watch::start(&setup);
    println!("attached");
    loop {
        std::thread::park();
    }
}

/// A process that is killed when this is dropped: with SIGKILL, so that it can't tidy up.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has seen then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_interface_that_goes_away_takes_its_attachment_along() {
    let Some(lab) = Lab::new() else { return };
    let notes = tempfile::tempdir().unwrap();
    let mut by_tcx = Watch::start(&Setup::new(&lab.server));
    let mut by_filter = Watch::start(&by_filter(&lab, notes.path()));
    let alive = |watch: &Watch| watch.capture.is_alive(watch.id);
    assert!(alive(&by_tcx) && alive(&by_filter));
    lab.in_server("ip link del eth0");
    assert!(!alive(&by_tcx) && !alive(&by_filter));
    by_tcx.capture.detach(by_tcx.id).unwrap();
    by_filter.capture.detach(by_filter.id).unwrap();
    assert_eq!(fs::read_dir(notes.path()).unwrap().count(), 0);
}
