//! `cargo xtask image`: podmirror as one static file, and that file as a container image.
//!
//! glibc has had its resolver's files and DNS built in since 2.34, so a binary linked with it
//! statically needs nothing of the file system but `/etc/resolv.conf` and `/etc/hosts`, which the
//! kubelet provides.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use lab::oci::Image;

use crate::{
    ebpf,
    step::{command, output, target_dir, while_spinning, workspace},
};

/// The name under which releases are published; `deploy/` has it, too.
const NAME: &str = "ghcr.io/podmirror/podmirror";
/// The profile of `Cargo.toml` that the binary is built with.
const PROFILE: &str = "image";

/// What can be chosen.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// The image's reference where it is loaded [default: the published one with this version]
    #[arg(long, value_name = "REF")]
    tag: Option<String>,
    /// The archive [default: image/podmirror.tar in the target folder]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Builds the binary and the archive, and says how large they are.
///
/// # Errors
///
/// When something does not compile, or the binary is not static.
pub(crate) fn run(options: &Options) -> Result<()> {
    ebpf::build()?;
    let binary = binary()?;
    let version = env!("CARGO_PKG_VERSION");
    let reference = options.tag.clone();
    let reference = reference.unwrap_or_else(|| format!("{NAME}:{version}"));
    let program = fs::read(&binary).with_context(|| binary.display().to_string())?;
    let size = program.len();
    let archive = Image {
        reference: &reference,
        programs: vec![("podmirror", program)],
        entrypoint: "/podmirror",
        labels: vec![
            ("org.opencontainers.image.title", "podmirror"),
            ("org.opencontainers.image.version", version),
            (
                "org.opencontainers.image.source",
                env!("CARGO_PKG_REPOSITORY"),
            ),
            ("org.opencontainers.image.licenses", "MIT OR Apache-2.0"),
        ],
    }
    .pack()?;

    let folder = target_dir().join("image");
    fs::create_dir_all(&folder)?;
    // Beside the archive: what deploy/Dockerfile copies.
    let copy = binary_of_image();
    fs::copy(&binary, &copy).with_context(|| copy.display().to_string())?;
    let to = options.output.clone();
    let to = to.unwrap_or_else(|| folder.join("podmirror.tar"));
    fs::write(&to, &archive.bytes).with_context(|| to.display().to_string())?;
    println!("{}", to.display());
    println!("  reference  {reference}");
    println!("  digest     {}", archive.digest);
    println!(
        "  size       {}, {} to download",
        mebibytes(size),
        mebibytes(archive.download)
    );
    println!("load it:     docker load --input FILE, kind load image-archive FILE,");
    println!("             or ctr --namespace k8s.io image import FILE");
    Ok(())
}

/// Where the binary stands that is in the image.
pub(crate) fn binary_of_image() -> PathBuf {
    target_dir().join("image").join("podmirror")
}

/// Builds the static binary.
fn binary() -> Result<PathBuf> {
    let host = output(command("rustc").arg("-vV")).context("rustc does not run")?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc names no host")?;
    ensure!(
        host.ends_with("-linux-gnu"),
        "only for Linux with glibc, not for {host}"
    );
    let done = while_spinning(
        "building podmirror, static (some minutes the first time)",
        || {
            command("cargo")
                .args(["build", "--quiet", "--package", "mirror-userspace"])
                .args(["--bin", "podmirror", "--profile", PROFILE])
                // With a target named, the flags are not for build scripts and macros, which can't be static.
                .args(["--target", host])
                .env("RUSTFLAGS", "-C target-feature=+crt-static")
                .current_dir(workspace())
                .stderr(Stdio::inherit())
                .status()
        },
    )?;
    ensure!(done.success(), "podmirror does not compile");
    let binary = target_dir().join(host).join(PROFILE).join("podmirror");
    must_be_static(&binary)?;
    Ok(binary)
}

/// An ELF file with an interpreter would not start in an empty root.
///
/// # Errors
///
/// When it has one.
pub(crate) fn must_be_static(binary: &Path) -> Result<()> {
    let bytes = fs::read(binary).with_context(|| binary.display().to_string())?;
    // Its loader's path stands as text in the segment PT_INTERP, which is among the first pages.
    let start = bytes.get(..4096).unwrap_or(&bytes);
    if start.windows(4).any(|window| window == b"/ld-") {
        bail!("{} is not static", binary.display());
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people, to a tenth")]
fn mebibytes(bytes: usize) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
