//! From a bare kernel to a machine that programs can run on, and its end.

use std::{convert::Infallible, ffi::CStr, fs, process::ExitCode};

use anyhow::{Context as _, Result};
use lab::Namespace;
use nix::{
    kmod::{ModuleInitFlags, finit_module},
    mount::{MsFlags, mount},
    sys::reboot::{RebootMode, reboot},
};

/// Where the modules are.
const MODULES: &str = "/modules";

/// What is known of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// What `uname -r` prints.
    pub(crate) release: String,
    /// The first two numbers of it.
    pub(crate) version: (u32, u32),
}

impl Machine {
    /// Whether the kernel is this one or later.
    pub(crate) fn has(&self, major: u32, minor: u32) -> bool {
        self.version >= (major, minor)
    }
}

/// Mounts what programs expect, and loads the modules.
///
/// # Errors
///
/// When a mount is refused. A module that does not load is said on the console: the check that
/// needs it fails.
pub(crate) fn boot() -> Result<Machine> {
    for (what, at) in [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("tmpfs", "/tmp"),
        ("tmpfs", "/run"),
        ("cgroup2", "/sys/fs/cgroup"),
        ("bpf", "/sys/fs/bpf"),
    ] {
        fs::create_dir_all(at).ok();
        mount(Some(what), at, Some(what), MsFlags::empty(), None::<&CStr>)
            .with_context(|| format!("mounting {at}"))?;
    }
    // A tunnel's module would else put a device into every namespace.
    fs::write("/proc/sys/net/core/fb_tunnels_only_for_init_net", "1").ok();
    load_modules();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let release = release.trim().to_owned();
    let mut numbers = release
        .split(['.', '-'])
        .map(|word| word.parse().unwrap_or(0));
    let version = (
        numbers.next().unwrap_or_default(),
        numbers.next().unwrap_or_default(),
    );
    // The first namespace made mounts /run/netns. Without `ip`, the checks that need one fail.
    if let Err(error) = Namespace::unique("first") {
        eprintln!("{error:#}");
    }
    Ok(Machine { release, version })
}

fn load_modules() {
    let Ok(files) = fs::read_dir(MODULES) else {
        return;
    };
    let mut files: Vec<_> = files.flatten().map(|file| file.path()).collect();
    files.sort();
    for path in files {
        let loaded = fs::File::open(&path)
            .map_err(anyhow::Error::from)
            .and_then(|file| {
                finit_module(&file, c"", ModuleInitFlags::empty()).map_err(anyhow::Error::from)
            });
        if let Err(error) = loaded {
            eprintln!("{}: {error}", path.display());
        }
    }
}

/// Ends the machine.
pub(crate) fn power_off() -> ExitCode {
    match reboot(RebootMode::RB_POWER_OFF) {
        Ok::<Infallible, _>(never) => match never {},
        Err(errno) => {
            eprintln!("the machine does not turn off: {errno}");
            ExitCode::FAILURE
        }
    }
}
