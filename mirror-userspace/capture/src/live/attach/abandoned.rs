//! Deletes the filters that killed processes left, wherever that was: the pods that they mirrored
//! may be none of ours.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};

use super::{
    filter,
    note::{LockedNote, Noted, Spot},
};
use crate::live::netns::{NAMED, Netns, OpenNetns};

/// Deletes all that the notes of killed processes tell of, in the network namespaces that can be
/// found: our own, those with a name, and those of the processes under `proc`.
///
/// What fails is logged, and its note kept: it must not keep a new attachment from working.
pub(in crate::live) fn delete_everywhere(notes: &Path, proc: &Path) {
    let mut left = Vec::new();
    for (note, noted) in LockedNote::abandoned(notes) {
        match noted {
            Some(noted) => left.push((note, noted)),
            None => forget(note),
        }
    }
    if left.is_empty() {
        return;
    }
    let mut wanted: BTreeSet<u64> = left.iter().map(|(_, noted)| noted.spot.netns).collect();
    for path in paths(proc) {
        let Ok(netns) = open_wanted(path, &wanted) else {
            continue;
        };
        wanted.remove(&netns.inode());
        let (here, elsewhere): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|(_, noted)| noted.spot.netns == netns.inode());
        left = elsewhere;
        for (note, noted) in here {
            let deleted = netns.run(|| delete(&noted));
            conclude(note, deleted);
        }
        if wanted.is_empty() {
            return;
        }
    }
    for (note, noted) in left {
        log::debug!("network namespace {} is gone", noted.spot.netns);
        if note.is_old() {
            forget(note);
        }
    }
}

/// The same at one spot, in its namespace.
pub(super) fn delete_at(notes: &Path, spot: Spot) {
    for (note, noted) in LockedNote::abandoned(notes) {
        if let Some(noted) = noted.filter(|noted| noted.spot == spot) {
            conclude(note, delete(&noted));
        }
    }
}

fn delete(noted: &Noted) -> Result<bool> {
    let Spot {
        interface, hook, ..
    } = noted.spot;
    Ok(filter::delete(interface, hook, &noted.filter)?)
}

fn conclude(note: LockedNote, deleted: Result<bool>) {
    match deleted {
        Ok(true) => {
            log::info!("deleted the filter that a killed podmirror left");
            forget(note);
        }
        Ok(false) => forget(note),
        Err(error) => log::warn!("a filter of a killed podmirror may be left: {error:#}"),
    }
}

fn forget(note: LockedNote) {
    if let Err(error) = note.remove() {
        log::warn!("the note of a filter that is gone stays: {error}");
    }
}

/// Where namespaces can be found, nearest first.
fn paths(proc: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let named = entries(Path::new(NAMED)).map(|entry| entry.path());
    let is_process = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let processes = entries(proc)
        .filter(move |entry| entry.file_name().to_str().is_some_and(is_process))
        .map(|entry| entry.path().join("ns/net"));
    let own = PathBuf::from("/proc/self/ns/net");
    std::iter::once(own).chain(named).chain(processes)
}

/// Opens the namespace that a path leads to, if it is one that is wanted.
fn open_wanted(path: PathBuf, wanted: &BTreeSet<u64>) -> Result<OpenNetns> {
    let inode = fs::metadata(&path)?.ino();
    ensure!(wanted.contains(&inode), "not wanted");
    let own = OpenNetns::current()?;
    if own.inode() == inode {
        return Ok(own);
    }
    let netns = Netns::Path(path).open()?;
    ensure!(wanted.contains(&netns.inode()), "another one by now");
    Ok(netns)
}
