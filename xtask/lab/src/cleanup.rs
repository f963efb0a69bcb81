//! Taking labs down: on drop, on Ctrl-C, and what a killed run left behind.
//!
//! A name carries its owner, `podmirror-<pid>-<number>-<role>`, so what is whose can be read from
//! the names alone. Nothing else on the machine is touched: a namespace is removed only if its name
//! has this form, and a process is killed only if it lives inside such a namespace.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{self, Command, Stdio},
    sync::{
        Once,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::namespace::DIRECTORY;

const PREFIX: &str = "podmirror";

/// A name that no other run has: this process, a number, and what it is for.
pub(super) fn unique_name(number: u32, role: &str) -> String {
    format!("{PREFIX}-{}-{number}-{role}", process::id())
}

/// The number of the next lab or folder of this process.
pub(super) fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Removes what ended processes left behind, once in the life of this one.
pub(super) fn remove_stale() {
    static ONCE: Once = Once::new();
    ONCE.call_once(remove_of_ended);
}

/// Removes what processes left behind that have ended.
pub(super) fn remove_of_ended() {
    remove_of(|pid| !Path::new(&format!("/proc/{pid}")).exists());
}

/// Whether a Ctrl-C or SIGTERM arrived; children that end then ended because of us.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The status that a shell expects of an interrupted command.
pub const CUT_SHORT: i32 = 130;

/// From now on SIGINT, SIGTERM and SIGHUP remove every lab of this process and end it with this
/// status: [`CUT_SHORT`], or 0 where that is how it is meant to end.
///
/// # Errors
///
/// When called twice.
pub fn clean_up_on_signal(status: i32) -> Result<()> {
    ctrlc::set_handler(move || {
        INTERRUPTED.store(true, Ordering::Relaxed);
        remove_of(|pid| pid == process::id());
        process::exit(status);
    })
    .context("catching Ctrl-C")
}

fn remove_of(owner: impl Fn(u32) -> bool) {
    for name in names_in(Path::new(DIRECTORY)) {
        if owner_of(&name).is_some_and(&owner) {
            remove_namespace(&name);
        }
    }
    let folders = std::env::temp_dir();
    for name in names_in(&folders) {
        if owner_of(&name).is_some_and(&owner) {
            // Another run may be removing it at this moment.
            let _gone = fs::remove_dir_all(folders.join(name));
        }
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// The process whose run has named something so.
pub(super) fn owner_of(name: &str) -> Option<u32> {
    let mut parts = name.split('-');
    (parts.next() == Some(PREFIX)).then_some(())?;
    parts.next()?.parse().ok()
}

/// Kills what runs inside the namespace and deletes it. Never fails: it runs in `Drop`, and what
/// is left is found by the next run.
pub(super) fn remove_namespace(name: &str) {
    let inside = processes_in(name);
    for pid in &inside {
        let _ended = kill(*pid, Signal::SIGKILL);
    }
    // The interfaces go when the last process has; half a second bounds a stuck one.
    for _ in 0..50 {
        if inside
            .iter()
            .all(|pid| kill(*pid, None).is_err() || is_zombie(*pid))
        {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let _gone = Command::new("ip")
        .args(["netns", "delete", name])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; the state is the first word after it.
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

fn processes_in(name: &str) -> Vec<Pid> {
    let Ok(wanted) = fs::metadata(Path::new(DIRECTORY).join(name)) else {
        return Vec::new();
    };
    let own = Pid::this();
    names_in(Path::new("/proc"))
        .iter()
        .filter_map(|name| Some(Pid::from_raw(name.parse().ok()?)))
        .filter(|pid| *pid != own)
        .filter(|pid| {
            fs::metadata(format!("/proc/{pid}/ns/net"))
                .is_ok_and(|found| (found.dev(), found.ino()) == (wanted.dev(), wanted.ino()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_read_from_the_name() {
        assert_eq!(owner_of(&unique_name(3, "client")), Some(process::id()));
        assert_eq!(owner_of("podmirror-12-0-v1"), Some(12));
        for foreign in [
            "podmirror",
            "podmirror-x-1",
            "cni-12-1",
            "podmirrors-12-1",
            "",
        ] {
            assert_eq!(owner_of(foreign), None, "{foreign}");
        }
    }
}
