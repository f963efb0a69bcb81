//! Finds a pod's network namespace by its processes, which this node's `/proc` shows.
//!
//! A pod's UID is in the paths of its processes' cgroups, whatever the runtime and the cgroup driver:
//! `/kubepods/besteffort/pod<UID>/…`, `…-pod<UID with _ for ->.slice/…`, `0::/../../pod<UID>/…`. So the
//! paths are searched for `pod<UID>`, never compared with a layout. A process may have made a namespace
//! of its own: the one that holds the pod's address is the pod's. Before the API tells one, see
//! [`early`].
//!
//! A container chooses the number of its processes and, inside its own cgroup, the names of those below;
//! so both are bounded here, and a namespace counts only by its address.

mod early;

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
    place::Node,
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
    /// The pod's addresses: the namespace that holds one of them is the pod's. None if the API has not
    /// told any yet.
    pub ips: Vec<IpAddr>,
}

/// Searches them all in one walk of the node's `/proc`, and answers for each.
pub(super) fn search(node: &Node, sought: Vec<Sought>) -> Vec<Event> {
    let proc = &*node.proc;
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
            Some(processes) if one.ips.is_empty() => {
                early::sandbox_of(node, processes, &one.cgroup)
            }
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
mod tests;
