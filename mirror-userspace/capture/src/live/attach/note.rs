//! A note of each filter that we attach, in a file that outlives us.
//!
//! A filter stays when its process is killed. A later start must find it and know it as ours, and
//! as nobody's: the living owner of a note holds a lock (`flock(2)`) on it, which the kernel
//! releases with the process, in whichever PID namespace that was. What a note tells of is known by
//! its program's number and tag beside its place, so that nothing else is ever taken for it.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    time::{Duration, SystemTime},
};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::{
    Hook,
    filter::Filter,
    folder::{Folder, contents},
};

/// How long a note is kept whose namespace can't be found: it may be one that has no process for a
/// moment.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A hook of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// The network namespace's inode.
    pub(super) netns: u64,
    /// The interface's number.
    pub(super) interface: u32,
    /// The hook that the filter is at.
    pub(super) hook: Hook,
}

/// A filter, and where it was attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) spot: Spot,
    pub(super) filter: Filter,
}

/// What the file says, for people as well.
#[derive(Serialize, Deserialize)]
struct Note {
    boot: String,
    netns: u64,
    interface: String,
    interface_number: u32,
    egress: bool,
    priority: u16,
    handle: u32,
    program: String,
    program_id: u32,
    program_tag: u64,
}

/// A note under our lock.
#[derive(Debug)]
pub(super) struct LockedNote {
    folder: Folder,
    name: String,
    lock: Flock<File>,
}

impl LockedNote {
    /// Notes the filter, replacing an earlier note of the same program.
    ///
    /// The file gets its name only once it is locked and complete, so that nobody can take it
    /// for one whose owner has died.
    pub(super) fn write(directory: &Path, interface: &str, noted: &Noted) -> io::Result<Self> {
        let folder = Folder::create(directory)?;
        let Noted { spot, filter } = noted;
        let note = Note {
            boot: boot(),
            netns: spot.netns,
            interface: interface.to_owned(),
            interface_number: spot.interface,
            egress: spot.hook == Hook::Egress,
            priority: filter.priority,
            handle: filter.handle,
            program: filter.name.clone(),
            program_id: filter.program_id,
            program_tag: filter.program_tag,
        };
        let name = format!("{}.json", filter.program_id);
        let unfinished = format!("{}.new", filter.program_id);
        let mut lock = lock(folder.make(&unfinished)?)?;
        serde_json::to_writer(&*lock, &note)?;
        lock.write_all(b"\n")?;
        folder.rename(&unfinished, &name)?;
        Ok(Self { folder, name, lock })
    }

    /// The notes whose owners are gone, and the filters that they tell of. A note that can't be read,
    /// or is of an earlier boot, tells of none; none are there if the folder is not, or not ours.
    pub(super) fn abandoned(directory: &Path) -> Vec<(Self, Option<Noted>)> {
        let listed = Folder::open(directory).and_then(|folder| Ok((folder.names()?, folder)));
        let (names, folder) = match listed {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                // Where notes are needed, it is said when ours can't be written.
                log::debug!("no notes of earlier filters can be read: {error}");
                return Vec::new();
            }
        };
        let boot = boot();
        let mut found = Vec::new();
        for name in names {
            // Named by a program's number; other files of the folder are not notes.
            let Some((stem, kind)) = name.split_once('.') else {
                continue;
            };
            let is_note = kind == "json";
            if !(is_note || kind == "new") || stem.parse::<u32>().is_err() {
                continue;
            }
            let Ok(file) = folder.read(&name).and_then(lock) else {
                continue;
            };
            let Ok(folder) = folder.share() else { break };
            let text = contents(&file).unwrap_or_default();
            let locked = Self {
                folder,
                name,
                lock: file,
            };
            // A note is nameless until it is locked; but its owner may be about to do that.
            if is_note || locked.is_old() {
                let note = serde_json::from_slice(&text).ok();
                let noted = note.filter(|note: &Note| is_note && note.boot == boot);
                found.push((locked, noted.map(Noted::from)));
            }
        }
        found
    }

    /// Whether it was written so long ago that it is of no more use.
    pub(super) fn is_old(&self) -> bool {
        let written = self.lock.metadata().and_then(|file| file.modified());
        let age = written.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        age.is_ok_and(|age| age > KEPT)
    }

    /// Forgets the filter.
    pub(super) fn remove(self) -> io::Result<()> {
        self.folder.remove(&self.name)
    }
}

impl From<Note> for Noted {
    fn from(note: Note) -> Self {
        Self {
            spot: Spot {
                netns: note.netns,
                interface: note.interface_number,
                hook: if note.egress {
                    Hook::Egress
                } else {
                    Hook::Ingress
                },
            },
            filter: Filter {
                priority: note.priority,
                handle: note.handle,
                name: note.program,
                program_id: note.program_id,
                program_tag: note.program_tag,
            },
        }
    }
}

/// Tells this boot from others, in which numbers of programs and namespaces begin anew.
fn boot() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    boot.trim().to_owned()
}

fn lock(file: File) -> io::Result<Flock<File>> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted() -> Noted {
        Noted {
            spot: Spot {
                netns: 4_026_531_840,
                interface: 7,
                hook: Hook::Egress,
            },
            filter: Filter {
                priority: 1,
                handle: 0x706d_0001,
                name: "mirror".to_owned(),
                program_id: 99,
                program_tag: u64::MAX - 1,
            },
        }
    }

    #[test]
    fn only_the_notes_of_the_dead_are_abandoned() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let locked = LockedNote::write(path, "eth0", &noted()).unwrap();
        assert!(LockedNote::abandoned(path).is_empty(), "its owner lives");

        drop(locked);
        let mut found = LockedNote::abandoned(path);
        assert_eq!(found.len(), 1);
        let (locked, abandoned) = found.remove(0);
        assert_eq!(abandoned, Some(noted()));
        assert!(LockedNote::abandoned(path).is_empty(), "now it is ours");

        locked.remove().unwrap();
        assert!(LockedNote::abandoned(path).is_empty());
    }

    #[test]
    fn a_broken_note_and_one_of_another_boot_name_no_filter() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::write(path.join("1.json"), b"{\"priority\":").unwrap();
        drop(LockedNote::write(path, "eth0", &noted()).unwrap());
        let note = fs::read_to_string(path.join("99.json")).unwrap();
        let other = note.replace(&boot(), "another-boot");
        assert_ne!(note, other);
        fs::write(path.join("99.json"), other).unwrap();
        let found = LockedNote::abandoned(path);
        assert!(matches!(found.as_slice(), [(_, None), (_, None)]));
    }

    #[test]
    fn other_files_of_the_folder_stay() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["state.json", "state.new", "state", "7.json.new"] {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - KEPT * 2).unwrap();
        }
        assert!(LockedNote::abandoned(directory.path()).is_empty());
    }

    #[test]
    fn an_unfinished_note_is_left_to_whoever_writes_it_unless_it_is_old() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("7.new");
        fs::write(&path, b"{").unwrap();
        fs::write(directory.path().join("README"), b"somebody's").unwrap();
        assert!(LockedNote::abandoned(directory.path()).is_empty());
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - KEPT * 2).unwrap();
        let found = LockedNote::abandoned(directory.path());
        assert!(matches!(found.as_slice(), [(_, None)]));
    }
}
