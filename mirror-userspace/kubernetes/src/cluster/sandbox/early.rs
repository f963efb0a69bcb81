//! Finds the namespace of a pod whose address the API has not told yet.
//!
//! The problem: a kubelet reports a pod's address about a second after its containers were started, and
//! with the same words that it is ready. Whoever waits for it misses what comes first. The way: before
//! any container of a pod, the runtime starts its sandbox, in the pod's cgroup and the pod's namespace.
//!
//! Nothing but the address proves a namespace, so less is believed here. Only the first name in a cgroup's
//! path counts, which the kubelet gave; those below may be a container's. All processes of the pod have to
//! share one namespace; those in the node's do not count, as CRI-O's monitors are there. It can be
//! neither the node's namespace nor the agent's. A process that leads elsewhere all the same was moved by
//! somebody who has the node's capabilities, and only until the address is told: then the search is made again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    net::IpAddr,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
};

use mirror_capture::{Netns, OpenNetns};

use super::{MOST_NAMESPACES, normal, pods_named_in, read_bounded};
use crate::cluster::{
    place::Node,
    pod::{NetnsId, Sandbox},
};

/// How runtimes name a pod's own interface; others may have been added to it.
const OWN_INTERFACE: &str = "eth0";

/// The only namespace of these processes; or why there is none.
pub(super) fn sandbox_of(
    node: &Node,
    processes: &BTreeSet<u32>,
    cgroup: &str,
) -> Result<Sandbox, String> {
    let text = |error: anyhow::Error| format!("{error:#}");
    let host = node.host.open().map_err(text)?.inode();
    let own = OpenNetns::current().map_err(text)?.inode();
    let mut found: BTreeMap<u64, (u32, OpenNetns)> = BTreeMap::new();
    for &process in processes {
        let Some(netns) = netns_of(&node.proc, process, cgroup) else {
            continue;
        };
        let inode = netns.inode();
        if inode == host {
            continue;
        }
        if inode == own {
            return Err("a process of it is in the agent's network".to_owned());
        }
        found.entry(inode).or_insert((process, netns));
        if found.len() > MOST_NAMESPACES {
            break;
        }
    }
    let count = found.len();
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some((inode, (process, netns))), None) => {
            let interface = interface_of(&netns)?;
            let cookie = netns.cookie().map_err(text)?;
            let netns = NetnsId { inode, cookie };
            Ok(Sandbox {
                netns,
                process,
                interface,
            })
        }
        (None, _) => Err("it has no network of its own yet".to_owned()),
        (Some(_), Some(_)) => Err(format!(
            "its processes are in {count} networks, and it has no address yet"
        )),
    }
}

/// The namespace of a process that is surely the pod's: its number may be another's at any time, but a
/// folder of `/proc` that is held open stays that process's.
fn netns_of(proc: &Path, process: u32, cgroup: &str) -> Option<OpenNetns> {
    let folder = File::open(proc.join(process.to_string())).ok()?;
    let held = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    let netns = Netns::Path(held.join("ns/net")).open().ok()?;
    let cgroups = read_bounded(&held.join("cgroup")).ok()?;
    is_own(&cgroups, cgroup).then_some(netns)
}

/// Whether this is the first pod in the path of each hierarchy that has one.
fn is_own(cgroups: &str, wanted: &str) -> bool {
    let wanted = normal(wanted);
    let first = |line: &str| pods_named_in(line).find(|name| is_of_pod(name, &wanted));
    let mut firsts = cgroups.lines().filter_map(first).peekable();
    firsts.peek().is_some() && firsts.all(|name| name == wanted)
}

/// What kubelets name pods by: a UID, or the hash of a static pod, without the dashes. So `kubepods` is
/// not taken for a pod's name.
fn is_of_pod(name: &str, wanted: &str) -> bool {
    let digits = name.bytes().filter(|byte| *byte != b'-');
    let hex = digits.clone().all(|byte| byte.is_ascii_hexdigit());
    name == wanted || (hex && digits.count() == 32)
}

/// The pod's own interface, once it has an address that others can reach.
fn interface_of(netns: &OpenNetns) -> Result<String, String> {
    let text = |error: anyhow::Error| format!("{error:#}");
    let mut names = BTreeSet::new();
    let addresses = netns.addresses().map_err(text)?;
    for address in addresses.into_iter().filter(is_reachable) {
        if let Some(holder) = netns.holder_of(&[address]).map_err(text)? {
            if holder.interface == OWN_INTERFACE {
                return Ok(holder.interface);
            }
            names.insert(holder.interface);
        }
        if names.len() > 1 {
            break;
        }
    }
    let mut names = names.into_iter();
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err("its network has no address yet".to_owned()),
        (Some(_), Some(_)) => Err("it has several interfaces, and no address yet".to_owned()),
    }
}

fn is_reachable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0f3e1d2c-4b5a-4678-9abc-def012345678";
    const OTHER: &str = "aaaaaaaa-4b5a-4678-9abc-def012345678";

    #[test]
    fn the_kubelets_name_counts_and_none_below_it() {
        let slice = UID.replace('-', "_");
        let hash = UID.replace('-', "");
        for (path, own) in [
            (format!("0::/kubepods/besteffort/pod{UID}/3ab9"), true),
            (format!("0::/../../pod{UID}/3ab9"), true),
            (
                format!("0::/kubepods.slice/kubepods-besteffort-pod{slice}.slice/x.scope"),
                true,
            ),
            (format!("1:cpu:/kubepods/pod{UID}/x\n0::/"), true),
            (format!("0::/kubepods/pod{OTHER}/x/pod{UID}"), false),
            (format!("0::/kubepods/pod{UID}/x/pod{OTHER}"), true),
            (
                format!("1:cpu:/kubepods/pod{UID}/x\n0::/kubepods/pod{OTHER}/pod{UID}"),
                false,
            ),
            (format!("0::/kubepods/pod{hash}/x/pod{UID}"), false),
            ("0::/init.scope".to_owned(), false),
        ] {
            assert_eq!(is_own(&path, UID), own, "{path}");
        }
        let path = format!("0::/kubepods/pod{hash}/x");
        assert!(is_own(&path, &hash));
    }
}
