//! A note of each filter that we attach, in a file that outlives us.
//!
//! A filter stays when its process is killed. The next start must find it and know it as ours, and
//! as nobody's: the living owner of a note holds a lock (`flock(2)`) on it, which the kernel
//! releases with the process, in whichever PID namespace that was.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::{Hook, filter::Filter};

/// A hook of an interface, as files are named for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// The network namespace's inode.
    pub(super) netns: u64,
    /// The interface's number.
    pub(super) interface: u32,
    /// The hook.
    pub(super) hook: Hook,
}

impl Spot {
    fn prefix(self) -> String {
        format!("{}-{}-{}-", self.netns, self.interface, self.hook)
    }
}

#[derive(Serialize, Deserialize)]
struct Note {
    interface: String,
    priority: u16,
    handle: u32,
    program: String,
    program_id: u32,
}

/// A note under our lock.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Record {
    /// Notes the filter, replacing an earlier note of the same program.
    ///
    /// The file gets its name only once it is locked and complete, so that nobody can take it
    /// for one whose owner has died.
    pub(super) fn write(
        directory: &Path,
        spot: Spot,
        interface: &str,
        filter: &Filter,
    ) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let path = directory.join(format!("{}{}.json", spot.prefix(), filter.program_id));
        let unfinished = path.with_extension("new");
        let mut file = lock(File::create(&unfinished)?)?;
        let note = Note {
            interface: interface.to_owned(),
            priority: filter.priority,
            handle: filter.handle,
            program: filter.name.clone(),
            program_id: filter.program_id,
        };
        serde_json::to_writer(&*file, &note)?;
        file.write_all(b"\n")?;
        fs::rename(&unfinished, &path)?;
        Ok(Self { path, _lock: file })
    }

    /// The notes of this spot whose owners are gone, and the filters they tell of. A note that
    /// can't be read tells of none.
    pub(super) fn abandoned(directory: &Path, spot: Spot) -> Vec<(Self, Option<Filter>)> {
        let prefix = spot.prefix();
        fs::read_dir(directory)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
            .filter_map(|entry| {
                let path = entry.path();
                let file = lock(File::open(&path).ok()?).ok()?;
                let filter = serde_json::from_reader(&*file)
                    .ok()
                    .map(|note: Note| Filter {
                        priority: note.priority,
                        handle: note.handle,
                        name: note.program,
                        program_id: note.program_id,
                    });
                Some((Self { path, _lock: file }, filter))
            })
            .collect()
    }

    /// Forgets the filter.
    pub(super) fn remove(self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            // Somebody tidied up.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

fn lock(file: File) -> io::Result<Flock<File>> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPOT: Spot = Spot {
        netns: 4_026_531_840,
        interface: 7,
        hook: Hook::Ingress,
    };

    fn filter() -> Filter {
        Filter {
            priority: 1,
            handle: 0x706d_0001,
            name: "mirror".to_owned(),
            program_id: 99,
        }
    }

    #[test]
    fn only_the_notes_of_the_dead_are_abandoned() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let record = Record::write(path, SPOT, "eth0", &filter()).unwrap();
        assert!(Record::abandoned(path, SPOT).is_empty(), "its owner lives");

        drop(record);
        let elsewhere = Spot {
            interface: 70,
            ..SPOT
        };
        assert!(Record::abandoned(path, elsewhere).is_empty());
        let mut found = Record::abandoned(path, SPOT);
        assert_eq!(found.len(), 1);
        let (record, abandoned) = found.remove(0);
        assert_eq!(abandoned, Some(filter()));

        record.remove().unwrap();
        assert!(Record::abandoned(path, SPOT).is_empty());
    }

    #[test]
    fn a_broken_note_names_no_filter() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(format!("{}1.json", SPOT.prefix()));
        fs::write(file, b"{\"priority\":").unwrap();
        let found = Record::abandoned(directory.path(), SPOT);
        assert!(matches!(found.as_slice(), [(_, None)]));
    }
}
