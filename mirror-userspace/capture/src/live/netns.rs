//! Network namespaces: how the user names one, and how work is done inside one.
//!
//! `setns(2)` moves a thread, not a process. So each visit happens on a thread of its own that
//! ends with it: no other code can find itself in the wrong namespace, whatever the visit does.
//! Files are not moved along: `/sys/class/net` still shows the interfaces of the namespace that
//! mounted it, so inside a visit only netlink tells the truth.

use std::{
    fmt, fs,
    fs::File,
    io,
    os::unix::fs::MetadataExt as _,
    panic,
    path::{Path, PathBuf},
    str::FromStr,
    thread,
};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::{
    errno::Errno,
    sched::{CloneFlags, setns, unshare},
};

/// Where `ip netns` and container runtimes (CRI: `/var/run/netns`) keep named namespaces.
pub(super) const NAMED: &str = "/run/netns";

/// A network namespace, as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Netns {
    /// A name under `/run/netns`.
    Named(String),
    /// A file that is a namespace, such as a bind mount or `/proc/PID/ns/net`.
    Path(PathBuf),
    /// The namespace of a process, such as a container's first.
    Process(u32),
}

impl FromStr for Netns {
    type Err = anyhow::Error;

    /// Digits alone are a process id, what has a slash is a path, and the rest are names.
    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            bail!("expected the name of a network namespace, a path, or a process ID");
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return match text.parse() {
                Ok(0) | Err(_) => bail!("`{text}` is not a process ID"),
                Ok(process) => Ok(Self::Process(process)),
            };
        }
        Ok(if text.contains('/') {
            Self::Path(text.into())
        } else {
            Self::Named(text.to_owned())
        })
    }
}

impl fmt::Display for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Path(path) => path.display().fmt(f),
            Self::Process(process) => write!(f, "of process {process}"),
        }
    }
}

impl Netns {
    /// Takes hold of the namespace: it stays while the result lives, whatever happens to its name.
    ///
    /// # Errors
    ///
    /// If there is no such namespace (the message lists those with a name), or this process may
    /// not see it (`CAP_SYS_PTRACE` for another user's process).
    pub fn open(&self) -> Result<OpenNetns> {
        let path = match self {
            Self::Named(name) => Path::new(NAMED).join(name),
            Self::Path(path) => path.clone(),
            Self::Process(process) => PathBuf::from(format!("/proc/{process}/ns/net")),
        };
        let file = File::open(&path).map_err(|error| self.explain(&path, &error))?;
        Ok(OpenNetns {
            inode: file.metadata()?.ino(),
            name: self.to_string(),
            file: Some(file),
        })
    }

    fn explain(&self, path: &Path, error: &io::Error) -> anyhow::Error {
        match (self, error.kind()) {
            (Self::Named(name), io::ErrorKind::NotFound) => anyhow!(
                "no network namespace `{name}`: {NAMED} has {}",
                one_of(named())
            ),
            (Self::Process(process), io::ErrorKind::NotFound) => anyhow!("no process {process}"),
            (Self::Process(process), io::ErrorKind::PermissionDenied) => anyhow!(
                "the network namespace of process {process} is not ours to see: CAP_SYS_PTRACE is needed"
            ),
            _ => anyhow!("network namespace {}: {error}", path.display()),
        }
    }
}

/// The named namespaces, sorted; none if they can't be read.
fn named() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(NAMED)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Names for an error message: `a, b, c`, or `none`.
pub(super) fn one_of(names: Vec<String>) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// A network namespace held open.
#[derive(Debug)]
pub struct OpenNetns {
    /// `None` for our own, which needs no `setns` and so no capability.
    file: Option<File>,
    inode: u64,
    name: String,
}

impl OpenNetns {
    /// The same namespace, held open once more.
    pub(super) fn try_clone(&self) -> Result<Self> {
        let again = self.file.as_ref().map(File::try_clone);
        Ok(Self {
            file: again.transpose().context("holding a namespace open")?,
            inode: self.inode,
            name: self.name.clone(),
        })
    }

    /// The namespace that this process runs in.
    ///
    /// # Errors
    ///
    /// If `/proc` is not mounted.
    pub fn current() -> Result<Self> {
        let inode = fs::metadata("/proc/self/ns/net")
            .context("/proc/self/ns/net")?
            .ino();
        Ok(Self {
            file: None,
            inode,
            name: "of podmirror".to_owned(),
        })
    }

    /// A new namespace with nothing in it but a loopback interface, which goes with the result.
    ///
    /// # Errors
    ///
    /// If the kernel refuses one: it wants `CAP_SYS_ADMIN`.
    pub(super) fn new() -> Result<Self> {
        let made = thread::Builder::new().name("netns".to_owned()).spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        })?;
        let file = made
            .join()
            .unwrap_or_else(|panic| panic::resume_unwind(panic))?;
        Ok(Self {
            inode: file.metadata()?.ino(),
            name: "made by podmirror".to_owned(),
            file: Some(file),
        })
    }

    /// The namespace's number, unique while it lives (the `NNN` of `net:[NNN]`).
    #[must_use]
    pub const fn inode(&self) -> u64 {
        self.inode
    }

    /// The namespace as a file that the kernel can be asked about.
    pub(super) fn file(&self) -> io::Result<File> {
        match &self.file {
            Some(file) => file.try_clone(),
            None => File::open("/proc/self/ns/net"),
        }
    }

    /// Runs `visit` inside the namespace and returns what it returned.
    ///
    /// # Errors
    ///
    /// Those of `visit`; and if the namespace can't be entered, for which the kernel wants
    /// `CAP_SYS_ADMIN`.
    ///
    /// # Panics
    ///
    /// If `visit` does.
    pub fn run<T: Send>(&self, visit: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let Some(file) = &self.file else {
            return visit();
        };
        thread::scope(|scope| {
            let visitor = thread::Builder::new()
                .name("netns".to_owned())
                .spawn_scoped(scope, || {
                    setns(file, CloneFlags::CLONE_NEWNET).map_err(|errno| self.explain(errno))?;
                    visit()
                })?;
            visitor
                .join()
                .unwrap_or_else(|panic| panic::resume_unwind(panic))
        })
    }

    fn explain(&self, errno: Errno) -> anyhow::Error {
        let name = &self.name;
        match errno {
            Errno::EPERM => {
                anyhow!("entering the network namespace {name} needs CAP_SYS_ADMIN")
            }
            Errno::EINVAL => anyhow!("{name} is no network namespace"),
            errno => anyhow!("entering the network namespace {name}: {errno}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_paths_and_processes_are_told_apart() {
        for (text, netns) in [
            ("blue", Netns::Named("blue".into())),
            ("cni-1234", Netns::Named("cni-1234".into())),
            ("1234", Netns::Process(1234)),
            ("/run/netns/7", Netns::Path("/run/netns/7".into())),
            ("./ns", Netns::Path("./ns".into())),
        ] {
            assert_eq!(text.parse::<Netns>().unwrap(), netns);
        }
        for bad in ["", "0", "99999999999"] {
            assert!(bad.parse::<Netns>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = |text: &str| {
            let netns: Netns = text.parse().unwrap();
            netns.open().unwrap_err().to_string()
        };
        assert!(missing("no-such-netns").starts_with("no network namespace `no-such-netns`: "));
        assert_eq!(missing("4194304999"), "no process 4194304999");
        assert!(missing("/no/such/file").contains("/no/such/file: No such file"));
    }

    #[test]
    fn our_own_namespace_is_visited_without_a_capability() {
        let own = OpenNetns::current().unwrap();
        assert_eq!(own.run(|| Ok(7)).unwrap(), 7);
        assert!(own.run(|| -> Result<()> { bail!("as said") }).is_err());
    }
}
