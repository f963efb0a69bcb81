//! Killed processes leave filters behind where there is no tcx, and the next start finds them by
//! their notes: from another container, for another pod, in a `/run` that is new.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use aya::programs::{ProgramInfo, loaded_programs};
use mirror_capture::{Capture, Hook, LiveConfig, Method, OpenNetns, Place};
use mirror_core::policy::KernelSampling;

use crate::{
    V4,
    lab::{Lab, PORT},
    payload,
    watch::{Setup, Watch},
};

const TASK: &str = "PODMIRROR_TEST_TASK";
const NOTES: &str = "PODMIRROR_TEST_NOTES_OF_THE_KILLED";
const CHILD: &str = "killed::a_child_of_these_tests";

fn by_filter(notes: &Path) -> LiveConfig {
    LiveConfig {
        method: Method::Filter,
        notes: notes.to_owned(),
        ..LiveConfig::default()
    }
}

fn filters(lab: &Lab, hook: Hook) -> String {
    lab.in_server(&format!("tc filter show dev eth0 {hook}"))
}

fn count(lab: &Lab, hook: Hook) -> usize {
    filters(lab, hook).matches("handle 0x706d").count()
}

fn notes_in(notes: &Path) -> usize {
    fs::read_dir(notes).unwrap().count()
}

/// Not a test of its own: what the others run in another process.
#[test]
fn a_child_of_these_tests() {
    let (Ok(task), Ok(notes)) = (env::var(TASK), env::var(NOTES)) else {
        return;
    };
    let config = by_filter(Path::new(&notes));
    let hook = match task.as_str() {
        "tidy" => {
            assert!(!Path::new("/run/netns").exists(), "its /run is new");
            Capture::delete_abandoned(&config);
            return println!("done");
        }
        "egress" => Hook::Egress,
        _ => Hook::Ingress,
    };
    let (mut capture, _readers) = Capture::open(config, KernelSampling::default()).unwrap();
    let place = Place::new(OpenNetns::current().unwrap(), "eth0", vec![PORT]);
    let _id = capture.attach(Place { hook, ..place }).unwrap();
    println!("done");
    loop {
        std::thread::park();
    }
}

/// A process that is killed when this is dropped: with SIGKILL, so that it can't tidy up.
struct Killed(Child);

impl Killed {
    /// In this network namespace, with a `/run` of its own that is empty. Returns once it is done with
    /// its task.
    fn start(netns: &str, task: &str, notes: &Path) -> Self {
        let mut child = Command::new("ip")
            .args(["netns", "exec", netns, "unshare", "--mount", "sh", "-c"])
            .arg("mount -t tmpfs none /run && exec \"$0\" --exact --nocapture \"$@\"")
            .arg(env::current_exe().unwrap())
            .arg(CHILD)
            .env(TASK, task)
            .env(NOTES, notes)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let killed = Self(child);
        let mut lines = lines.map_while(Result::ok);
        assert!(lines.any(|line| line.contains("done")), "it ended early");
        killed
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has seen then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Keeps the server's namespace in `/proc`, as a pod's first container does.
fn pause(lab: &Lab) -> Killed {
    let pause = Command::new("ip")
        .args(["netns", "exec", &lab.server, "sleep", "infinity"])
        .spawn();
    Killed(pause.unwrap())
}

/// The names of the programs that have a map of this one's.
fn sharing_maps(program: u32) -> Vec<String> {
    let maps_of = |info: &ProgramInfo| info.map_ids().ok().flatten().unwrap_or_default();
    let loaded: Vec<_> = loaded_programs().flatten().collect();
    let own = loaded.iter().find(|info| info.id() == program);
    let own = own.map(maps_of).unwrap_or_default();
    let shares = |info: &&ProgramInfo| maps_of(info).iter().any(|map| own.contains(map));
    let names = loaded.iter().filter(shares).map(ProgramInfo::name_as_str);
    names.map(|name| name.unwrap().to_owned()).collect()
}

#[test]
fn what_a_killed_process_leaves_hands_over_to_nobody() {
    let Some(lab) = Lab::new() else { return };
    let notes = tempfile::tempdir().unwrap();
    let killed = Killed::start(&lab.server, "ingress", notes.path());
    let note = fs::read_dir(notes.path()).unwrap().next().unwrap();
    let note = note.unwrap().path();
    let program = note.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!(sharing_maps(program), ["mirror", "mirror_0"]);

    drop(killed);
    assert_eq!(count(&lab, Hook::Ingress), 1, "nobody has deleted it");
    let patience = Instant::now() + Duration::from_secs(30);
    while sharing_maps(program) != ["mirror_0"] {
        assert!(Instant::now() < patience, "it still hands over");
        sleep(Duration::from_millis(10));
    }
    lab.send(V4, &payload(5_000));
}

#[test]
fn three_in_a_row_leave_nothing_after_the_next_start() {
    let Some(lab) = Lab::new() else { return };
    let notes = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        drop(Killed::start(&lab.server, "ingress", notes.path()));
        assert_eq!(count(&lab, Hook::Ingress), 1, "each cleans up first");
    }
    // The next one has to do with another pod.
    let _pause = pause(&lab);
    let next = Killed::start(&lab.client, "egress", notes.path());
    assert_eq!(
        count(&lab, Hook::Ingress),
        0,
        "{}",
        filters(&lab, Hook::Ingress)
    );
    assert_eq!(notes_in(notes.path()), 1, "its own");
    drop(next);
    drop(Killed::start(&lab.client, "tidy", notes.path()));
    assert_eq!(notes_in(notes.path()), 0);
}

#[test]
fn three_at_once_leave_nothing_and_the_living_and_others_stay() {
    let Some(lab) = Lab::new() else { return };
    let notes = tempfile::tempdir().unwrap();
    lab.in_server("tc qdisc add dev eth0 clsact");
    lab.in_server(
        "tc filter add dev eth0 ingress protocol all prio 1 u32 match u32 0x12345678 0xffffffff flowid 1:1",
    );
    let before = filters(&lab, Hook::Ingress);
    let tasks = ["ingress", "egress", "ingress"];
    let killed = tasks.map(|task| Killed::start(&lab.server, task, notes.path()));
    let mut living = Watch::start(&Setup {
        live: by_filter(notes.path()),
        ..Setup::new(&lab.server)
    });
    assert_eq!(count(&lab, Hook::Ingress) + count(&lab, Hook::Egress), 4);
    drop(killed);
    assert_eq!(notes_in(notes.path()), 4);

    let _pause = pause(&lab);
    drop(Killed::start(&lab.client, "tidy", notes.path()));
    assert_eq!(
        (count(&lab, Hook::Ingress), count(&lab, Hook::Egress)),
        (1, 0)
    );
    let port = lab.send(V4, &payload(5_000));
    living.catch_up();
    assert_eq!(living.stream(port), Some(payload(5_000)));
    drop(living);
    assert_eq!(filters(&lab, Hook::Ingress), before);
    assert_eq!(notes_in(notes.path()), 0);
}

#[test]
fn a_note_makes_nobody_delete_what_it_does_not_describe() {
    let Some(lab) = Lab::new() else { return };
    let notes = tempfile::tempdir().unwrap();
    let forged = tempfile::tempdir().unwrap();
    drop(Killed::start(&lab.server, "ingress", notes.path()));
    let note = fs::read_dir(notes.path()).unwrap().next().unwrap().unwrap();
    let text: serde_json::Value = serde_json::from_slice(&fs::read(note.path()).unwrap()).unwrap();
    for (field, value) in [
        ("program_id", 1.into()),
        ("program_tag", 1.into()),
        ("program", "theirs".into()),
        ("handle", 1.into()),
        ("priority", 2.into()),
        ("egress", true.into()),
        ("interface_number", 1.into()),
        ("boot", "another".into()),
    ] {
        let mut other = text.clone();
        assert_ne!(std::mem::replace(&mut other[field], value), other[field]);
        let path = forged.path().join(note.file_name());
        fs::write(path, serde_json::to_vec(&other).unwrap()).unwrap();
        Capture::delete_abandoned(&by_filter(forged.path()));
        assert_eq!(count(&lab, Hook::Ingress), 1, "another {field}");
        assert_eq!(notes_in(forged.path()), 0, "it tells of nothing: {field}");
    }
    Capture::delete_abandoned(&by_filter(notes.path()));
    assert_eq!(count(&lab, Hook::Ingress), 0);
}
