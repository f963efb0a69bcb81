//! A node whose `/proc` is made of files.

use std::path::Path;

use super::*;
use crate::cluster::place::AttachAt;

const UID: &str = "0f3e1d2c-4b5a-4678-9abc-def012345678";

fn names(cgroups: &str) -> Vec<String> {
    pods_named_in(cgroups).collect()
}

#[test]
fn every_form_of_a_cgroup_path_names_its_pod() {
    let slice = UID.replace('-', "_");
    for path in [
        format!("0::/kubepods/besteffort/pod{UID}/3ab9"),
        format!("0::/kubepods/pod{UID}"),
        format!("0::/../../pod{UID}/3ab9"),
        format!("0::/../../pod{UID}/3ab9/init.scope"),
        format!("4:memory:/kubelet/kubepods/burstable/pod{UID}/3ab9"),
        format!(
            "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{slice}.slice/\
             cri-containerd-3ab9.scope"
        ),
        format!("0::/system.slice/kubepods-pod{slice}.slice:cri-containerd:3ab9"),
    ] {
        assert!(names(&path).contains(&UID.to_owned()), "{path}");
    }
}

#[test]
fn other_paths_name_nobody_that_is_sought() {
    for path in [
        "0::/",
        "0::/system.slice/podman.service",
        "",
        "pod",
        "0::/pod/x",
    ] {
        assert!(!names(path).contains(&UID.to_owned()), "{path}");
    }
    // A longer name is another name.
    assert_ne!(names(&format!("0::/pod{UID}0/x")), [UID]);
}

/// A `/proc` of files: processes with their cgroups, and with our own network namespace.
fn proc_with(processes: &[(u32, &str)]) -> tempfile::TempDir {
    let proc = tempfile::tempdir().unwrap();
    for (process, cgroups) in processes {
        let folder = proc.path().join(process.to_string());
        fs::create_dir_all(folder.join("ns")).unwrap();
        fs::write(folder.join("cgroup"), cgroups).unwrap();
        std::os::unix::fs::symlink("/proc/self/ns/net", folder.join("ns/net")).unwrap();
    }
    fs::write(proc.path().join("uptime"), "1 1").unwrap();
    proc
}

fn node(proc: &Path) -> Node {
    Node {
        proc: proc.to_owned(),
        // Nobody's: what is in our own network is not taken for the host's.
        host: Netns::Path(proc.join("host")),
        attach: AttachAt::Pod,
    }
}

fn sought(cgroup: &str, ip: &str) -> Sought {
    Sought {
        pod: PodUid("p".to_owned()),
        search: Search(7),
        cgroup: cgroup.to_owned(),
        ips: vec![ip.parse().unwrap()],
    }
}

fn only(events: Vec<Event>) -> Event {
    assert_eq!(events.len(), 1);
    events.into_iter().next().unwrap()
}

#[test]
fn a_pod_is_found_by_its_cgroup_and_its_address() {
    let cgroup = format!("0::/kubepods/pod{UID}/x\n");
    let proc = proc_with(&[(9, &cgroup), (7, "0::/init.scope\n"), (8, &cgroup)]);
    let found = only(search(&node(proc.path()), vec![sought(UID, "127.0.0.1")]));
    let Event::Found(_, Search(7), sandbox) = found else {
        panic!("{found:?}");
    };
    assert_eq!((sandbox.process, sandbox.interface.as_str()), (8, "lo"));

    let not_found = |uid, ip| match only(search(&node(proc.path()), vec![sought(uid, ip)])) {
        Event::NotFound(_, Search(7), why) => why,
        other => panic!("{other:?}"),
    };
    let why = not_found(UID, "192.0.2.1");
    assert_eq!(why, "no network namespace of its processes has its address");
    let why = not_found("other", "127.0.0.1");
    assert!(why.starts_with("no process of it is in /"), "{why}");
}

/// Names below its own cgroup are a container's to choose, but for `/` and newline.
#[test]
fn no_name_of_a_cgroup_leads_anywhere_or_breaks_a_line() {
    for (name, found) in [
        ("pod../../../../etc", &[][..]),
        ("pod..", &[]),
        ("pod%2e%2e", &[]),
        ("pod\u{1b}[2Jx", &[]),
        ("poda\"b", &["a"]),
        ("poda'; rm", &["a"]),
        ("pod\u{202e}x", &[]),
    ] {
        assert_eq!(names(&format!("0::/{name}")), found, "{name}");
    }
    let every: String = (0..=0x2ff_u32).filter_map(char::from_u32).collect();
    let safe = |c: char| c.is_ascii_alphanumeric() || c == '-';
    for name in every
        .chars()
        .flat_map(|c| names(&format!("0::/poda{c}b/pod{c}")))
    {
        assert!(name.chars().all(safe), "{name:?}");
    }
}

/// A UID from the API is compared with what is found, and is never a part of a path.
#[test]
fn a_uid_that_is_a_path_finds_nothing_and_is_not_shown() {
    let cgroup = format!("0::/kubepods/pod{UID}/x\n");
    let proc = proc_with(&[(8, &cgroup)]);
    std::os::unix::fs::symlink(proc.path().join("8/cgroup"), proc.path().join("link")).unwrap();
    for uid in ["../8", "8/cgroup", "a\nb", "..", "/", "\u{1b}[1m", ""] {
        let sought = vec![sought(uid, "127.0.0.1")];
        let Event::NotFound(_, _, why) = only(search(&node(proc.path()), sought)) else {
            panic!("{uid:?} was found");
        };
        assert!(
            why.starts_with("no process of it is in /"),
            "{uid:?}: {why}"
        );
        assert!(!why.contains(char::is_control), "{why:?}");
    }
}

#[test]
fn a_link_in_the_place_of_a_processs_cgroups_is_not_followed() {
    let cgroup = format!("0::/kubepods/pod{UID}/x\n");
    let proc = proc_with(&[(8, &cgroup)]);
    let file = proc.path().join("8/cgroup");
    let elsewhere = proc.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    let answer = only(search(&node(proc.path()), vec![sought(UID, "127.0.0.1")]));
    assert!(matches!(answer, Event::NotFound(..)), "{answer:?}");
}

#[test]
fn a_proc_that_is_not_there_is_said() {
    let sought = vec![sought(UID, "127.0.0.1")];
    let answer = only(search(&node(Path::new("/no/such/proc")), sought));
    assert!(
        matches!(&answer, Event::NotFound(_, _, why) if why.starts_with("/no/such/proc: ")),
        "{answer:?}"
    );
}
