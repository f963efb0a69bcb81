//! What runs in the machines: podmirror, two of its integration tests and the probe, each linked
//! statically.
//!
//! Only the last step of the build is told to link statically, so that what `cargo test` has built
//! is used: another `RUSTFLAGS` would build every dependency again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{initramfs::Initramfs, modules::modules};
use crate::{
    archive::Archive,
    cross, ebpf, image,
    step::{command, target_dir, while_spinning, workspace},
};

/// Where a program stands in the machine, and what cargo calls it.
const PROGRAMS: [(&str, &str, [&str; 2]); 4] = [
    ("init", "kernel-probe", ["--bin", "kernel-probe"]),
    ("podmirror", "mirror-userspace", ["--bin", "podmirror"]),
    ("tests/program", "mirror-userspace", ["--test", "program"]),
    ("tests/attach", "mirror-userspace", ["--test", "attach"]),
];

/// What a machine needs of the distribution: `ip` and `tc`; `ethtool`; `setpriv`, `prlimit` and
/// `unshare`; `wg`; `socat`, which serves tun devices; a shell and the few programs that tests call.
const TOOLS: [&str; 6] = [
    "iproute2",
    "ethtool",
    "util-linux",
    "wireguard-tools",
    "socat",
    "busybox-static",
];

/// What busybox is called as.
const BUSYBOX_AS: [&str; 4] = ["sh", "ls", "sleep", "mount"];

/// Fetches them.
///
/// # Errors
///
/// When they can't be had.
pub(super) fn tools(archive: &Archive) -> Result<PathBuf> {
    archive.unpack_programs(&TOOLS)
}

/// Which programs are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Which {
    /// The podmirror that is in the image.
    pub(super) of_image: bool,
    /// Leaves the programs of tests out.
    pub(super) quick: bool,
}

/// All that is the same for every kernel.
pub(super) struct Programs {
    built: Vec<(&'static str, PathBuf)>,
    tools: PathBuf,
}

impl Programs {
    /// Builds ours, which go with the unpacked `tools`. The podmirror is one for debugging, or that of
    /// `cargo xtask image`; the tests are left out where only quick checks are wanted. For another
    /// architecture there are neither tests nor programs for debugging.
    ///
    /// # Errors
    ///
    /// When something does not compile, or there is no image.
    pub(super) fn build(archive: &Archive, tools: PathBuf, which: Which) -> Result<Self> {
        let arch = archive.arch;
        let mut built = Vec::new();
        if which.of_image {
            let podmirror = image::binary_of_image(arch);
            ensure!(
                podmirror.is_file(),
                "no {}: run `cargo xtask image` for {arch} first",
                podmirror.display()
            );
            built.push(("podmirror", podmirror));
        } else {
            ebpf::build()?;
        }
        let folder = archive.folder().join("built");
        fs::create_dir_all(&folder)?;
        for (name, package, target) in PROGRAMS {
            let is_test = name.starts_with("tests/");
            let is_there = built.iter().any(|(known, _)| *known == name);
            if is_there || (is_test && (which.quick || !arch.is_native())) {
                continue;
            }
            let [_, binary] = target;
            let path = if arch.is_native() {
                let what = format!("building {binary}, static");
                while_spinning(&what, || build_static(package, target))?
            } else {
                cross::build_static(arch, package, binary)?
            };
            // A build that follows may put another in its place.
            let kept = folder.join(name.replace('/', "-"));
            fs::copy(&path, &kept).with_context(|| path.display().to_string())?;
            cross::must_be_static(&kept)?;
            built.push((name, kept));
        }
        Ok(Self { built, tools })
    }

    /// Writes a machine's root for the unpacked kernel package.
    ///
    /// # Errors
    ///
    /// When a file can't be read or written.
    pub(super) fn pack(&self, kernel: &Path, to: &Path) -> Result<()> {
        let mut root = Initramfs::create(to)?;
        for folder in [
            "usr",
            "usr/bin",
            "usr/sbin",
            "usr/lib",
            "usr/lib64",
            "modules",
            "objects",
            "tests",
            "etc",
        ] {
            root.folder(folder)?;
        }
        // As a merged system has them; a package may bring a folder of the same name.
        for name in ["bin", "sbin", "lib", "lib64"] {
            let theirs = self.tools.join(name);
            if theirs.is_dir() {
                root.folder(name)?;
                root.tree(&theirs, &format!("{name}/"))?;
            } else {
                root.link(name, &format!("usr/{name}"))?;
            }
        }
        root.tree(&self.tools.join("usr"), "usr/")?;
        let busybox = self.tools.join("usr/bin/busybox");
        let busybox = if busybox.is_file() {
            "/usr/bin/busybox"
        } else {
            "/bin/busybox"
        };
        for name in BUSYBOX_AS {
            root.link(&format!("usr/sbin/{name}"), busybox)?;
        }
        for (name, path) in &self.built {
            root.program(name, path)?;
        }
        // Tests call podmirror by the path at which cargo has built it.
        let built = target_dir().join("debug").join("podmirror");
        let folders: Vec<_> = built.ancestors().skip(1).collect();
        for folder in folders.iter().rev() {
            let name = folder.to_string_lossy();
            let name = name.trim_start_matches('/');
            if !name.is_empty() {
                root.folder(name)?;
            }
        }
        let built = built.to_string_lossy();
        root.link(built.trim_start_matches('/'), "/podmirror")?;
        for object in ebpf::objects() {
            let object = format!("{object}.o");
            let from = target_dir().join("bpf").join(&object);
            let bytes = fs::read(&from).with_context(|| from.display().to_string())?;
            root.file(&format!("objects/{object}"), 0o644, &bytes)?;
        }
        for (number, module) in modules(kernel)?.into_iter().enumerate() {
            let name = format!("modules/{number:02}-{}.ko", module.name);
            root.file(&name, 0o644, &module.object)?;
        }
        root.finish()
    }
}

fn build_static(package: &str, which: [&str; 2]) -> Result<PathBuf> {
    let output = command("cargo")
        .args(["rustc", "--quiet", "--package", package])
        .args(which)
        .args(["--message-format", "json-render-diagnostics"])
        .args([
            "--",
            "-C",
            "target-feature=+crt-static",
            "-C",
            "strip=symbols",
        ])
        .current_dir(workspace())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("running cargo")?;
    ensure!(output.status.success(), "{package} does not compile");
    let [_, wanted] = which;
    let lines = output.stdout.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        // With a test come the binaries that it may run.
        .filter(|message| message.pointer("/target/name") == Some(&Value::from(wanted)))
        .filter_map(|message| Some(message.get("executable")?.as_str()?.into()))
        .next_back()
        .context("cargo named no program")
}
