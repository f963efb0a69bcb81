//! The unix socket that the mirror is tuned by: made so that nobody else can take its place or open it.

use std::{
    fs::{self, DirBuilder, File, Metadata, Permissions},
    io,
    os::{
        fd::AsRawFd as _,
        unix::{
            fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
        },
        stat::{Mode, fchmod},
    },
    unistd::geteuid,
};

/// Where `podmirror agent` listens and `podmirror set` asks, unless told otherwise.
pub const SOCKET: &str = "/run/podmirror/admin.sock";

/// How often to try to be alone in a folder, and the pause between: the others take less than a millisecond.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// The socket's file; removed when this is dropped, if it is still there.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// Listens at `path`, which only our own user and root may open (0600).
///
/// The folder is made, with mode 0700, if there is none; it must be ours, and nobody else may write to
/// it. A socket of ours that nobody listens at any more is replaced; of several that would replace it at the same moment,
/// one does.
///
/// # Errors
/// There is something else at `path`, or a podmirror that listens; or the folder is not ours alone.
pub(crate) fn listen_at(path: &Path) -> Result<(UnixListener, SocketFile)> {
    claim_folder(path)?;
    let _alone = lock(path);
    make_way(path)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let listener = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // Linux gives the file the mode that the socket has: there is no moment at which others may.
    fchmod(&listener, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(listener.as_raw_fd(), &UnixAddr::new(path)?)?;
    let made = fs::symlink_metadata(path)?;
    let file = SocketFile {
        path: path.to_owned(),
        device: made.dev(),
        inode: made.ino(),
    };
    let mode = made.mode() & 0o777;
    ensure!(mode & 0o177 == 0, "its mode is {mode:o}, not 600");
    listen(&listener, Backlog::MAXCONN)?;
    Ok((UnixListener::from(listener), file))
}

/// Makes the folder of `path`, if there is none.
///
/// # Errors
/// It is not ours alone.
pub(crate) fn claim_folder(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("making {}", folder.display()))?;
    let found = fs::symlink_metadata(folder)?;
    let shown = folder.display();
    ensure!(found.is_dir(), "{shown} is no folder");
    ensure!(is_ours(&found), "{shown} belongs to another user");
    let others_write = found.mode() & 0o022 != 0;
    ensure!(!others_write, "others may write to {shown}: chmod go-w");
    // A kubelet makes it with 0755. A folder that the operator names is as he likes it.
    if Path::new(SOCKET).parent() == Some(folder) && found.mode() & 0o077 != 0 {
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Keeps other podmirrors from making and removing sockets in the folder, until the file is dropped: between looking whether
/// somebody listens and listening, another one would be taken for dead.
///
/// A folder that others may open can be locked by them, so this gives up after a second.
fn lock(path: &Path) -> Option<File> {
    let folder = File::open(folder_of(path)).ok()?;
    for _ in 0..LOCK_TRIES {
        if folder.try_lock().is_ok() {
            return Some(folder);
        }
        thread::sleep(LOCK_PAUSE);
    }
    None
}

/// Removes a socket of ours that nobody listens at.
fn make_way(path: &Path) -> Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    ensure!(
        found.file_type().is_socket() && is_ours(&found),
        "there is something that is no socket of ours: remove it, or choose another --admin-socket"
    );
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let client = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    match connect(client.as_raw_fd(), &UnixAddr::new(path)?) {
        Err(Errno::ECONNREFUSED) => Ok(fs::remove_file(path)?),
        // One whose backlog is full is alive, too.
        Ok(()) | Err(Errno::EAGAIN) => {
            bail!("another podmirror listens there: choose another --admin-socket, or off")
        }
        Err(errno) => Err(errno.into()),
    }
}

fn is_ours(found: &Metadata) -> bool {
    found.uid() == geteuid().as_raw()
}

impl SocketFile {
    /// The same file under another name of its folder, in place of what is there.
    ///
    /// # Errors
    /// It can't be renamed.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn renamed(mut self, path: &Path) -> io::Result<Self> {
        // Who found the one before dead would remove this one.
        let _alone = lock(path);
        fs::rename(&self.path, path)?;
        path.clone_into(&mut self.path);
        Ok(self)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _alone = lock(&self.path);
        let is_ours = |found: Metadata| (found.dev(), found.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            // If it can't be removed, the next start sees that nobody listens.
            let _left = fs::remove_file(&self.path);
        }
    }
}
