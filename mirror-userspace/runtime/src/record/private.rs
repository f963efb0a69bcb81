//! Files that nobody else reads, and that nobody else has prepared.
//!
//! They may be written by root into a folder that others may write to, such as `/tmp`: a link or a
//! file that somebody has put there is not written through. The folder itself is the operator's choice.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use nix::{libc::O_NOFOLLOW, unistd::geteuid};

/// Creates a file that only its owner may read (mode 0600), in the place of one of ours that is there.
/// A device or FIFO is opened.
///
/// # Errors
/// It can't be created; or what is there belongs to another user, or is a symbolic link or a folder.
pub fn create_private(path: &Path) -> io::Result<File> {
    match create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => return created,
    }
    let found = fs::symlink_metadata(path)?;
    if found.is_symlink() {
        return refuse("it is a symbolic link, which is not followed: name the file itself");
    }
    if is_written_to(&found) {
        return open_device(path);
    }
    if !found.is_file() {
        return refuse("it is no file");
    }
    if found.uid() != geteuid().as_raw() {
        return refuse("it belongs to another user: remove it, or name another file");
    }
    // Not emptied: whoever has it open would read on.
    fs::remove_file(path)?;
    create_new(path)
}

/// `O_EXCL`: nothing is there, not even a link.
fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn open_device(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.write(true).custom_flags(O_NOFOLLOW).open(path)?;
    let opened = file.metadata()?;
    let ours = [0, geteuid().as_raw()].contains(&opened.uid());
    if is_written_to(&opened) && ours {
        return Ok(file);
    }
    refuse("it belongs to another user: name another one")
}

fn is_written_to(found: &Metadata) -> bool {
    found.file_type().is_char_device() || found.file_type().is_fifo()
}

fn refuse<T>(why: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        os::unix::fs::{PermissionsExt as _, chown, symlink},
        path::PathBuf,
    };

    use super::*;

    fn in_folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.pcapng");
        (folder, path)
    }

    fn refusal(path: &Path) -> String {
        create_private(path).unwrap_err().to_string()
    }

    #[test]
    fn only_the_owner_reads_it_whatever_was_there() {
        let (_folder, path) = in_folder();
        let mode = || fs::metadata(&path).unwrap().mode() & 0o7777;
        create_private(&path).unwrap();
        assert_eq!(mode(), 0o600);

        fs::write(&path, "older").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let mut reader = File::open(&path).unwrap();
        let other_name = path.with_extension("link");
        fs::hard_link(&path, &other_name).unwrap();
        create_private(&path).unwrap().write_all(b"secret").unwrap();
        assert_eq!(mode(), 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"secret");
        let mut seen = String::new();
        reader.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "older", "who had it open sees nothing of it");
        assert_eq!(fs::read(&other_name).unwrap(), b"older");
    }

    #[test]
    fn links_are_not_followed() {
        let (folder, path) = in_folder();
        let target = folder.path().join("precious");
        fs::write(&target, "precious").unwrap();
        for to in [&target, &folder.path().join("dangling"), folder.path()] {
            symlink(to, &path).unwrap();
            let error = refusal(&path);
            assert!(error.contains("symbolic link"), "{error}");
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(fs::read(&target).unwrap(), b"precious");
        assert!(!folder.path().join("dangling").exists());
        assert!(refusal(folder.path()).contains("no file"));
        // Devices are written to by their own names.
        create_private(Path::new("/dev/null")).unwrap();
    }

    #[test]
    fn what_another_user_has_put_there_is_refused() {
        if !geteuid().is_root() {
            return eprintln!("SKIPPED: a file of another user takes root");
        }
        let (_folder, path) = in_folder();
        fs::write(&path, "bait").unwrap();
        chown(&path, Some(65_534), Some(65_534)).unwrap();
        assert!(refusal(&path).contains("belongs to another user"));
        assert_eq!(fs::read(&path).unwrap(), b"bait");
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        chown(&path, Some(65_534), None).unwrap();
        // Somebody reads, else opening it would wait for that.
        let mut both = OpenOptions::new();
        let _reader = both.read(true).write(true).open(&path).unwrap();
        assert!(refusal(&path).contains("belongs to another user"));
    }
}
