//! Finds a pod's network namespace by its processes, which this node's `/proc` shows.
//!
//! A pod's UID is in the paths of its processes' cgroups, whatever the runtime and the cgroup driver:
//! `/kubepods/besteffort/pod<UID>/…`, `…-pod<UID with _ for ->.slice/…`, `0::/../../pod<UID>/…`. So the
//! paths are searched for `pod<UID>`, never compared with a layout. A process may have made a namespace
//! of its own: the one that holds the pod's address is the pod's.
//!
//! A container chooses the number of its processes and, inside its own cgroup, the names of those below;
//! so both are bounded here, and a namespace counts only by its address.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, OpenOptions},
    io::{self, Read as _},
    net::IpAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use mirror_capture::Netns;
use nix::libc::O_NOFOLLOW;

use super::{
    event::{Event, Search},
    pod::{NetnsId, PodUid, Sandbox},
};

/// How much of `/proc/PID/cgroup` is read, in bytes: one line for each of about twelve hierarchies.
const MOST_BYTES: u64 = 64 * 1024;

/// Processes of a pod whose namespaces are looked at.
const MOST_PROCESSES: usize = 4_096;

/// Network namespaces of a pod that are entered in one search.
const MOST_NAMESPACES: usize = 16;

/// A pod whose namespace is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    /// The pod whose namespace is wanted.
    pub pod: PodUid,
    /// The search that asks: it comes back with the answer.
    pub search: Search,
    /// What follows `pod` in the names of its cgroups.
    pub cgroup: String,
    /// The pod's addresses: the namespace that holds one of them is the pod's.
    pub ips: Vec<IpAddr>,
}

/// Searches them all in one walk of `proc`, and answers for each.
pub(super) fn search(proc: &Path, sought: Vec<Sought>) -> Vec<Event> {
    let wanted: BTreeSet<_> = sought.iter().map(|one| normal(&one.cgroup)).collect();
    let processes = match processes_of(proc, &wanted) {
        Ok(processes) => processes,
        Err(error) => {
            let why = format!("{}: {error}", proc.display());
            let none = |one: Sought| Event::NotFound(one.pod, one.search, why.clone());
            return sought.into_iter().map(none).collect();
        }
    };
    let answer = |one: Sought| {
        let found = match processes.get(&normal(&one.cgroup)) {
            Some(processes) => sandbox_of(proc, processes, &one.ips),
            None => Err(format!("no process of it is in {}", proc.display())),
        };
        match found {
            Ok(sandbox) => Event::Found(one.pod, one.search, sandbox),
            Err(why) => Event::NotFound(one.pod, one.search, why),
        }
    };
    sought.into_iter().map(answer).collect()
}

/// The processes of each pod in `wanted`, by its normal name. The oldest have, until numbers are used
/// again, the lowest ones: the first to be looked at is the sandbox's own.
fn processes_of(
    proc: &Path,
    wanted: &BTreeSet<String>,
) -> io::Result<HashMap<String, BTreeSet<u32>>> {
    let mut found: HashMap<String, BTreeSet<u32>> = HashMap::new();
    for entry in fs::read_dir(proc)? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process that has ended meanwhile is no concern.
        let cgroups = read_bounded(&proc.join(name).join("cgroup")).unwrap_or_default();
        for pod in pods_named_in(&cgroups) {
            if let Some(pod) = wanted.get(&pod) {
                let processes = found.entry(pod.clone()).or_default();
                if processes.len() < MOST_PROCESSES {
                    processes.insert(process);
                }
            }
        }
    }
    Ok(found)
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    // In a /proc it is a file; a link there leads out of it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(O_NOFOLLOW)
        .open(path)?;
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whatever follows `pod` in the paths of a `/proc/PID/cgroup`, in its normal form.
fn pods_named_in(cgroups: &str) -> impl Iterator<Item = String> {
    let in_uid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let ends = cgroups.match_indices("pod").map(|(at, pod)| at + pod.len());
    let rests = ends.filter_map(|end| cgroups.get(end..));
    let names = rests.map(move |rest| rest.split(|c| !in_uid(c)).next().unwrap_or_default());
    names.filter(|name| !name.is_empty()).map(normal)
}

/// The systemd driver writes `_` for `-`, which separates slices.
fn normal(name: &str) -> String {
    name.replace('_', "-")
}

/// The first namespace of these processes that holds one of `ips`; or why there is none.
fn sandbox_of(proc: &Path, processes: &BTreeSet<u32>, ips: &[IpAddr]) -> Result<Sandbox, String> {
    let mut seen: BTreeMap<u64, u32> = BTreeMap::new();
    let mut why = None;
    for &process in processes {
        let netns = match Netns::Path(proc.join(format!("{process}/ns/net"))).open() {
            Ok(netns) => netns,
            Err(error) => {
                why.get_or_insert(format!("{error:#}"));
                continue;
            }
        };
        if seen.insert(netns.inode(), process).is_some() {
            continue;
        }
        match netns.holder_of(ips) {
            Ok(Some(holder)) => {
                return Ok(Sandbox {
                    netns: NetnsId {
                        inode: netns.inode(),
                        cookie: holder.cookie,
                    },
                    process,
                    interface: holder.interface,
                });
            }
            Ok(None) => {}
            Err(error) => {
                why.get_or_insert(format!("{error:#}"));
            }
        }
        if seen.len() >= MOST_NAMESPACES {
            break;
        }
    }
    Err(why.unwrap_or_else(|| "no network namespace of its processes has its address".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let found = only(search(proc.path(), vec![sought(UID, "127.0.0.1")]));
        let Event::Found(_, Search(7), sandbox) = found else {
            panic!("{found:?}");
        };
        assert_eq!((sandbox.process, sandbox.interface.as_str()), (8, "lo"));

        let not_found = |uid, ip| match only(search(proc.path(), vec![sought(uid, ip)])) {
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
            let Event::NotFound(_, _, why) = only(search(proc.path(), sought)) else {
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
        let answer = only(search(proc.path(), vec![sought(UID, "127.0.0.1")]));
        assert!(matches!(answer, Event::NotFound(..)), "{answer:?}");
    }

    #[test]
    fn a_proc_that_is_not_there_is_said() {
        let sought = vec![sought(UID, "127.0.0.1")];
        let answer = only(search(Path::new("/no/such/proc"), sought));
        assert!(
            matches!(&answer, Event::NotFound(_, _, why) if why.starts_with("/no/such/proc: ")),
            "{answer:?}"
        );
    }
}
