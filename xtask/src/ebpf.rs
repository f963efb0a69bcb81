//! `cargo xtask build-ebpf`: the kernel half, to `<target dir>/bpf/*.o`, where
//! podmirror's build script takes it from.

use std::{env, ffi::OsString, fs, path::Path};

use anyhow::{Context, Result};

use crate::{
    setup,
    step::{run, target_dir, workspace},
    toolchain::TARGET,
};

/// The objects with BPF ring buffers in them: for pods, and for ports that receive copies.
const WITH_RINGS: [&str; 2] = ["ring", "xdp"];
/// Those without: for pods on older kernels, and what tests have instead of a network card and of
/// others' programs.
const WITHOUT_RINGS: [&str; 3] = ["perf", "wire", "neighbour"];

/// The names of all object files.
pub(crate) fn objects() -> impl Iterator<Item = &'static str> {
    WITH_RINGS.into_iter().chain(WITHOUT_RINGS)
}

/// What podmirror itself uses; the others are for its tests.
pub(crate) const SHIPPED: [&str; 3] = ["ring", "xdp", "perf"];
/// What it uses at a pod since Linux 5.8.
pub(crate) const AT_A_POD: [&str; 1] = ["ring"];

/// Builds all objects, and installs the tools for it that are missing.
///
/// # Errors
///
/// When a tool cannot be installed, or the build fails.
pub(crate) fn build() -> Result<()> {
    let all: Vec<_> = objects().collect();
    build_only(&all)
}

/// The same for some of the [`objects`]. Others that there are stay as they are, and podmirror says what it lacks.
///
/// # Errors
///
/// As [`build`].
pub(crate) fn build_only(wanted: &[&str]) -> Result<()> {
    let toolchain = setup::toolchain()?;
    let linker = setup::bpf_linker()?;
    let built = target_dir().join("ebpf");
    // Features are a package's, not an object's.
    for (objects, more) in [
        (&WITHOUT_RINGS[..], &[][..]),
        (&WITH_RINGS, &["--features", "rings"]),
    ] {
        let objects = objects.iter().filter(|object| wanted.contains(object));
        let objects: Vec<&&str> = objects.collect();
        if objects.is_empty() {
            continue;
        }
        run(
            "building the kernel half",
            toolchain
                .cargo_build()
                .args(objects.iter().flat_map(|object| ["--bin", object]))
                .args(more)
                .current_dir(workspace().join("mirror-ebpf"))
                .env("CARGO_TARGET_DIR", &built)
                // What runs on this machine, macros mostly, is not debugged.
                .env("CARGO_PROFILE_RELEASE_BUILD_OVERRIDE_DEBUG", "false")
                .env("PATH", with_first(linker.parent())?)
                .env("RUSTFLAGS", rustflags()),
        )?;
    }
    let to = target_dir().join("bpf");
    fs::create_dir_all(&to).with_context(|| format!("cannot create {}", to.display()))?;
    for object in wanted {
        let from = built.join(TARGET).join("release").join(object);
        let to = to.join(object).with_extension("o");
        let object = fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
        // A file that is written again would have podmirror built again.
        if fs::read(&to).ok().as_ref() != Some(&object) {
            fs::write(&to, object).with_context(|| format!("cannot write {}", to.display()))?;
        }
        eprintln!("{}", to.display());
    }
    Ok(())
}

/// `bpf_target_arch` selects aya's bindings; BTF describes the maps; the third instruction set
/// (Linux 5.1) has 32-bit jumps, without which every comparison of a field costs two moves.
fn rustflags() -> String {
    format!(
        "--cfg bpf_target_arch=\"{}\" -Cdebuginfo=2 -Ctarget-cpu=v3 -Clink-arg=--btf",
        env::consts::ARCH
    )
}

/// PATH with one more directory before the others.
fn with_first(dir: Option<&Path>) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = dir
        .map(Path::to_owned)
        .into_iter()
        .chain(env::split_paths(&path));
    env::join_paths(dirs).context("PATH")
}
