//! The cgroups of a node's pods, which are in the machine's tree: removed when the node is.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

const ROOT: &str = "/sys/fs/cgroup";

/// How long killed processes may take to leave their cgroups.
const PATIENCE: Duration = Duration::from_secs(5);

/// Removes the folder of this name in every hierarchy, when what ran in it has ended. What stays is
/// removed by the next run.
pub(crate) fn remove(name: &str) {
    let deadline = Instant::now() + PATIENCE;
    for folder in hierarchies() {
        let folder = folder.join(name);
        while folder.exists() && Instant::now() < deadline {
            remove_tree(&folder);
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Removes what runs left behind that were killed: `podmirror-<pid>-<number>-<role>`.
pub(crate) fn remove_stale(role: &str) {
    for hierarchy in hierarchies() {
        for entry in fs::read_dir(hierarchy).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let mut parts = name.split('-');
            let ours = parts.next() == Some("podmirror") && parts.next_back() == Some(role);
            let owner = parts.next().filter(|_| ours);
            if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                remove_tree(&entry.path());
            }
        }
    }
}

/// Version 1 has a folder for each controller; version 2 is one of them, or the root itself.
fn hierarchies() -> Vec<PathBuf> {
    let folders = fs::read_dir(ROOT).into_iter().flatten().flatten();
    let folders = folders.map(|entry| entry.path());
    folders.chain([PathBuf::from(ROOT)]).collect()
}

/// The folders only: a cgroup's files go with it.
fn remove_tree(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _gone = fs::remove_dir(folder);
}
