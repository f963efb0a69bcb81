//! `cargo xtask image`: podmirror as one static file, and that file as a container image.
//!
//! glibc has had its resolver's files and DNS built in since 2.34, so a binary linked with it
//! statically needs nothing of the file system but `/etc/resolv.conf` and `/etc/hosts`, which the
//! kubelet provides.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use lab::oci::Image;

use crate::{arch::Arch, cross, ebpf, step::target_dir};

/// The name under which releases are published; `deploy/` has it, too.
const NAME: &str = "ghcr.io/podmirror/podmirror";

/// What can be chosen.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// The image's reference where it is loaded [default: the published one with this version]
    #[arg(long, value_name = "REF")]
    tag: Option<String>,
    /// The archive [default: image/podmirror.tar in the target folder, for another architecture
    /// image/ARCH/podmirror.tar]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The architecture of the nodes [default: this machine's]
    #[arg(long, value_name = "ARCH", value_enum)]
    target: Option<Arch>,
}

/// Builds the binary and the archive, and says how large they are.
///
/// # Errors
///
/// When something does not compile, or the binary is not static.
pub(crate) fn run(options: &Options) -> Result<()> {
    ebpf::build_only(&ebpf::SHIPPED)?;
    let arch = options.target.unwrap_or_else(Arch::host);
    let binary = cross::build_static(arch, "mirror-userspace", "podmirror")?;
    let version = env!("CARGO_PKG_VERSION");
    let reference = options.tag.clone();
    let reference = reference.unwrap_or_else(|| format!("{NAME}:{version}"));
    let program = fs::read(&binary).with_context(|| binary.display().to_string())?;
    let size = program.len();
    let archive = Image {
        reference: &reference,
        programs: vec![("podmirror", program)],
        entrypoint: "/podmirror",
        architecture: arch.debian(),
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

    // Beside the archive: what deploy/Dockerfile copies.
    let copy = binary_of_image(arch);
    if let Some(folder) = copy.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(&binary, &copy).with_context(|| copy.display().to_string())?;
    let to = options.output.clone();
    let to = to.unwrap_or_else(|| copy.with_extension("tar"));
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

/// Where the binary stands that is in the image for this architecture.
pub(crate) fn binary_of_image(arch: Arch) -> PathBuf {
    let folder = target_dir().join("image");
    if arch.is_native() {
        folder.join("podmirror")
    } else {
        folder.join(arch.gnu()).join("podmirror")
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people, to a tenth")]
fn mebibytes(bytes: usize) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
