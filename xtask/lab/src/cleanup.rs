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
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
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

/// Whether Ctrl-C is how this process is meant to end.
static ENDS_BY_CTRL_C: AtomicBool = AtomicBool::new(false);

/// From now on a Ctrl-C is how this process is meant to end: with 0.
pub fn end_by_ctrl_c() {
    ENDS_BY_CTRL_C.store(true, Ordering::Relaxed);
}

/// The status with which this signal ends the process: that which a shell tells of a command that it ended.
const fn status(signal: i32, ends_by_ctrl_c: bool) -> i32 {
    match signal {
        SIGINT if ends_by_ctrl_c => 0,
        _ => 128 + signal,
    }
}

/// From now on SIGINT, SIGTERM and SIGHUP remove every lab of this process and end it: with 128 and the number of the
/// signal, but for a Ctrl-C after [`end_by_ctrl_c`].
///
/// # Errors
///
/// When they can't be caught.
pub fn clean_up_on_signal() -> Result<()> {
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP]);
    let mut signals = signals.context("catching Ctrl-C")?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            INTERRUPTED.store(true, Ordering::Relaxed);
            // What it is by now: what is being set up may get ready while it is removed.
            let status = status(signal, ENDS_BY_CTRL_C.load(Ordering::Relaxed));
            remove_of(|pid| pid == process::id());
            process::exit(status);
        }
    });
    Ok(())
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
    fn ctrl_c_is_success_where_one_ends_it_so_and_no_other_signal_is() {
        assert_eq!(status(SIGINT, true), 0);
        let statuses = [SIGHUP, SIGINT, SIGTERM].map(|it| status(it, false));
        assert_eq!(statuses, [129, 130, 143]);
        assert_eq!([SIGHUP, SIGTERM].map(|it| status(it, true)), [129, 143]);
    }

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
