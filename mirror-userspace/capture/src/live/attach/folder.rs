//! A folder that only we write to, and whose files can be trusted to be ours.
//!
//! It may be shared with the host and outlive us (a pod's `hostPath`), and what it says makes a
//! privileged process delete things. So the folder belongs to us and to nobody else, no symbolic
//! link is followed, and a file is read only if it is ours, plain and small.

use std::{
    fs::{self, DirBuilder, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, openat, renameat},
    sys::stat::{Mode, fchmod},
    unistd::{UnlinkatFlags, geteuid, unlinkat},
};

/// A file with more than this is none of ours.
const LARGEST: u64 = 4096;
/// More files than this are not looked at.
const MOST: usize = 16 * 1024;

const FOLDER: OFlag = OFlag::O_DIRECTORY
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);
const PLAIN: OFlag = OFlag::O_NOFOLLOW
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_CLOEXEC);

/// The folder, held open: its files are named within it, whatever becomes of its own name.
#[derive(Debug)]
pub(super) struct Folder {
    file: File,
    path: PathBuf,
}

impl Folder {
    /// Opens the folder; refuses one of another user, and closes ours to others.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::from(nix::fcntl::open(path, FOLDER, Mode::empty())?);
        let metadata = file.metadata()?;
        if metadata.uid() != geteuid().as_raw() {
            return Err(io::Error::other(format!(
                "{} belongs to user {}, not to us",
                path.display(),
                metadata.uid()
            )));
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            fchmod(&file, Mode::S_IRWXU)?;
        }
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Opens it, and makes it if it is not there.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Self::open(path)
    }

    /// The names of what is in it.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.path)?.take(MOST).flatten();
        Ok(entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect())
    }

    /// Makes a file that nobody else can read, in the place of one that may be there.
    pub(super) fn make(&self, name: &str) -> io::Result<File> {
        let flags = PLAIN | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let made = match openat(&self.file, name, flags, mode) {
            Err(Errno::EEXIST) => {
                self.remove(name)?;
                openat(&self.file, name, flags, mode)
            }
            made => made,
        };
        Ok(File::from(made?))
    }

    /// Opens a file of ours.
    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        let file = File::from(openat(
            &self.file,
            name,
            PLAIN | OFlag::O_RDONLY,
            Mode::empty(),
        )?);
        let metadata = file.metadata()?;
        if !is_ours(&metadata) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(file)
    }

    /// Gives a file its name, which another may have had.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat(&self.file, from, &self.file, to)?)
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match unlinkat(&self.file, name, UnlinkatFlags::NoRemoveDir) {
            // Somebody tidied up.
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Another handle of it.
    pub(super) fn share(&self) -> io::Result<Self> {
        Ok(Self {
            file: self.file.try_clone()?,
            path: self.path.clone(),
        })
    }
}

fn is_ours(metadata: &Metadata) -> bool {
    metadata.is_file()
        && metadata.uid() == geteuid().as_raw()
        && metadata.permissions().mode() & 0o022 == 0
        && metadata.len() <= LARGEST
}

/// What a file says, up to the most that one of ours can.
pub(super) fn contents(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn it_and_its_files_are_for_nobody_else() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run/podmirror");
        let folder = Folder::create(&path).unwrap();
        folder.make("a").unwrap().write_all(b"text").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("a"))), (0o700, 0o600));
        // As the kubelet makes a hostPath.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let folder = Folder::create(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        assert_eq!(contents(&folder.read("a").unwrap()).unwrap(), b"text");
        assert_eq!(folder.names().unwrap(), ["a"]);
        folder.remove("a").unwrap();
        folder.remove("a").unwrap();
        assert!(folder.names().unwrap().is_empty());
    }

    #[test]
    fn links_lead_nowhere() {
        let parent = tempfile::tempdir().unwrap();
        let (real, link) = (parent.path().join("real"), parent.path().join("link"));
        let folder = Folder::create(&real).unwrap();
        symlink(&real, &link).unwrap();
        assert!(Folder::open(&link).is_err());
        assert!(Folder::create(&link).is_err());

        let victim = parent.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, real.join("a")).unwrap();
        assert!(folder.read("a").is_err());
        folder.make("a").unwrap().write_all(b"ours").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(fs::read(real.join("a")).unwrap(), b"ours");
    }

    #[test]
    fn what_others_may_have_written_is_not_read() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path()).unwrap();
        let file = |name: &str, mode| {
            let path = parent.path().join(name);
            fs::write(&path, "text").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        file("plain", 0o600);
        file("open", 0o666);
        fs::create_dir(parent.path().join("folder")).unwrap();
        nix::unistd::mkfifo(&parent.path().join("fifo"), Mode::S_IRWXU).unwrap();
        fs::write(parent.path().join("large"), [b'x'; 5_000]).unwrap();
        assert!(folder.read("plain").is_ok());
        for name in ["open", "folder", "fifo", "large", "missing"] {
            assert!(folder.read(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused() {
        if !geteuid().is_root() {
            eprintln!("SKIPPED: giving a folder away needs root");
            return;
        }
        let parent = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(parent.path(), Some(65_534), None).unwrap();
        let error = Folder::create(parent.path()).unwrap_err().to_string();
        assert!(
            error.ends_with("belongs to user 65534, not to us"),
            "{error}"
        );
    }
}
