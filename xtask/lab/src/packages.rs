//! Programs that a lab or a build needs, installed from Debian when they are missing.

use std::{
    env,
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    fcntl::{Flock, FlockArg},
    unistd::geteuid,
};

/// A program and the Debian package that has it.
const PACKAGES: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("curl", "curl"),
    ("ethtool", "ethtool"),
    ("h2load", "nghttp2-client"),
    ("haproxy", "haproxy"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("nghttp", "nghttp2-client"),
    ("nghttpd", "nghttp2-server"),
    ("nginx", "nginx-light"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("promtool", "prometheus"),
    ("qemu-system-aarch64", "qemu-system-arm"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("runc", "runc"),
    ("tcpdump", "tcpdump"),
    ("valgrind", "valgrind"),
    ("wrk", "wrk"),
    ("xz", "xz-utils"),
];

/// Finds a program, installing its package first if need be.
///
/// # Errors
///
/// When it is missing and this is no Debian, there is no root, or apt fails: one line that says
/// what to install.
pub fn require(program: &str) -> Result<PathBuf> {
    if let Some(path) = find(program) {
        return Ok(path);
    }
    let package = PACKAGES
        .iter()
        .find(|(known, _)| *known == program)
        .map_or(program, |(_, package)| *package);
    install_unless(&[package], || find(program).is_some())
        .with_context(|| format!("`{program}` is missing: install it (Debian: {package})"))?;
    find(program).with_context(|| format!("package {package} has no `{program}`"))
}

/// Looks a program up on the path, and in the folders that only root has there.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Installs Debian packages.
///
/// # Errors
///
/// When this is no Debian, there is no root, or apt fails.
pub fn install(packages: &[&str]) -> Result<()> {
    install_unless(packages, || false)
}

/// Installs packages, unless all is there by the time that it is our turn: nobody else is in the middle of it then.
///
/// # Errors
///
/// As [`install`].
pub fn install_unless(packages: &[&str], done: impl Fn() -> bool) -> Result<()> {
    // One at a time in this process, and one process at a time: tests run side by side.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    let lock = File::create(env::temp_dir().join("podmirror-apt.lock"))?;
    let _alone = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    if done() {
        return Ok(());
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("no apt-get on this system");
    }
    if !geteuid().is_root() {
        bail!("only root can install packages");
    }
    let install = [&["install"], packages].concat();
    if apt_get(&install).is_err() {
        // A fresh machine has no list of packages yet.
        apt_get(&["update"])?;
        apt_get(&install)?;
    }
    Ok(())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(["--yes", "--quiet", "--no-install-recommends"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // A service that starts by itself (nginx) would take port 80 of the machine.
        .env("RUNLEVEL", "1")
        .stdin(Stdio::null())
        .output()
        .context("running apt-get")?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("apt-get {}: {}", arguments.join(" "), why.trim());
    }
    Ok(())
}
