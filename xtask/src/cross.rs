//! Static programs, for this machine or for one of another architecture.
//!
//! For another one it takes a linker, its glibc, and Rust's standard library for it. That library is
//! rustup's if its compiler has it (`rustup target add`); else Debian's, which comes out of the other
//! architecture's package into a folder of its own and goes with Debian's compiler of the very same
//! version. Nothing of this machine's own is replaced.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use lab::packages;

use crate::{
    arch::Arch,
    archive::Archive,
    step::{command, output, target_dir, while_spinning, workspace},
};

/// The profile of `Cargo.toml` that static binaries are built with.
const PROFILE: &str = "image";

const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// Debian's compiler, and its standard library, which have one version.
const DEBIAN_COMPILER: [&str; 2] = ["rustc-web", "cargo-web"];
const DEBIAN_LIBRARY: &str = "libstd-rust-web-dev";

/// A compiler that has a standard library for the target.
enum Compiler {
    /// The one on the path.
    Usual,
    /// Debian's, with a library that is elsewhere.
    Debian {
        /// The folder that has `lib/rustlib`.
        sysroot: PathBuf,
    },
}

/// Builds a program of a package, static and small, and returns its path.
///
/// # Errors
///
/// When it does not compile, is not static, has symbols, or something for the other architecture can't be
/// had: the error says what to install.
pub(crate) fn build_static(arch: Arch, package: &str, binary: &str) -> Result<PathBuf> {
    let (mut cargo, built) = cargo(arch)?;
    let what = format!("building {binary} for {arch}, static (some minutes the first time)");
    let done = while_spinning(&what, || {
        cargo
            .args(["build", "--quiet", "--package", package])
            .args(["--bin", binary, "--profile", PROFILE])
            // With a target named, the flags are not for build scripts and macros, which can't be static.
            .args(["--target", &arch.target()])
            .arg("--target-dir")
            .arg(&built)
            .current_dir(workspace())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .status()
    })?;
    ensure!(done.success(), "{binary} does not compile for {arch}");
    let binary = built.join(arch.target()).join(PROFILE).join(binary);
    must_be_static(&binary)?;
    must_be_stripped(&binary)?;
    Ok(binary)
}

/// cargo with what it needs for this architecture, and where it builds.
fn cargo(arch: Arch) -> Result<(Command, PathBuf)> {
    // Of a profile with exceptions for a package, cargo forgets `strip` there.
    const STATIC: &str = "-C target-feature=+crt-static -C strip=symbols";
    let upper = arch.target().to_uppercase().replace('-', "_");
    let flags = format!("CARGO_TARGET_{upper}_RUSTFLAGS");
    if arch.is_native() {
        let host = output(command("rustc").arg("-vV")).context("rustc does not run")?;
        let host = host.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("rustc names no host")?;
        ensure!(
            host == arch.target(),
            "only for Linux with glibc, not for {host}"
        );
        let mut cargo = command("cargo");
        cargo.env("RUSTFLAGS", STATIC);
        return Ok((cargo, target_dir()));
    }
    let linker = linker(arch)?;
    let compiler = Compiler::find(arch)?;
    // Another compiler's build scripts would take the place of the usual one's.
    let built = target_dir().join("cross");
    let (mut cargo, flags_of_compiler) = match &compiler {
        Compiler::Usual => (command("cargo"), STATIC.to_owned()),
        Compiler::Debian { sysroot } => {
            let mut cargo = command(DEBIAN_CARGO);
            cargo.env("RUSTC", DEBIAN_RUSTC);
            (cargo, format!("{STATIC} --sysroot={}", sysroot.display()))
        }
    };
    cargo
        .env(flags, flags_of_compiler)
        .env(format!("CARGO_TARGET_{upper}_LINKER"), linker);
    Ok((cargo, built))
}

/// The C compiler that links, with a glibc to link with; installed beside the machine's own if need
/// be.
fn linker(arch: Arch) -> Result<PathBuf> {
    let name = format!("{}-linux-gnu-gcc", arch.gnu());
    let glibc = Path::new("/usr").join(format!("{}-linux-gnu/lib/libc.a", arch.gnu()));
    let names = [
        format!("gcc-{}-linux-gnu", arch.gnu().replace('_', "-")),
        format!("libc6-dev-{}-cross", arch.debian()),
    ];
    if packages::find(&name).is_none() || !glibc.exists() {
        let names = names.each_ref().map(String::as_str);
        packages::install(&names)
            .with_context(|| format!("no linker for {arch}: install {}", names.join(" and ")))?;
    }
    packages::find(&name).with_context(|| format!("no `{name}` in {}", names.join(" or ")))
}

impl Compiler {
    fn find(arch: Arch) -> Result<Self> {
        let target = arch.target();
        let library = ["--print", "target-libdir", "--target", &target];
        let library = output(command("rustc").args(library)).map(PathBuf::from);
        // The directory's name may be printed without its being there.
        if library.is_some_and(|library| library.is_dir()) {
            return Ok(Self::Usual);
        }
        Self::debian(arch).with_context(|| {
            format!(
                "no standard library of Rust for {arch}: `rustup target add {target}`, or on Debian \
                 `apt-get install {}`, whose library for {arch} is fetched then",
                DEBIAN_COMPILER.join(" ")
            )
        })
    }

    fn debian(arch: Arch) -> Result<Self> {
        if ![DEBIAN_CARGO, DEBIAN_RUSTC]
            .iter()
            .all(|program| Path::new(program).exists())
        {
            packages::install(&DEBIAN_COMPILER)?;
        }
        let mut query = command("dpkg-query");
        query.args(["--show", "--showformat", "${Version}", DEBIAN_COMPILER[0]]);
        let version = output(&mut query).context("its version is not known to dpkg")?;
        let folder = format!("{DEBIAN_LIBRARY}-{version}");
        let package = format!("{DEBIAN_LIBRARY}={version}");
        let unpacked = Archive::open(arch)?.unpack_packages(&[package], &folder)?;
        let sysroot = unpacked.join("usr");
        let library = sysroot.join("lib/rustlib").join(arch.target()).join("lib");
        if !library.is_dir() {
            bail!("{DEBIAN_LIBRARY} {version} has no {}", library.display());
        }
        Ok(Self::Debian { sysroot })
    }
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

/// Symbols are a quarter of the file, and nobody sees in a build that they came back.
fn must_be_stripped(binary: &Path) -> Result<()> {
    let bytes = fs::read(binary).with_context(|| binary.display().to_string())?;
    let types = types_of_sections(&bytes)
        .with_context(|| format!("{} has no sections", binary.display()))?;
    ensure!(
        !types.contains(&SHT_SYMTAB),
        "{} has a symbol table",
        binary.display()
    );
    Ok(())
}

/// The type of a section that is a symbol table (elf(5)).
const SHT_SYMTAB: u32 = 2;

/// `sh_type` of all sections of a 64-bit little-endian ELF file.
fn types_of_sections(elf: &[u8]) -> Option<Vec<u32>> {
    let number = |at: usize| elf.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
    // In the file's header: e_shoff; e_shentsize and e_shnum, of 16 bits.
    let (table, sizes) = (usize::try_from(number(0x28)?).ok()?, number(0x3a)?);
    let (size, count) = (sizes & 0xffff, sizes >> 16 & 0xffff);
    let types = (0..usize::try_from(count).ok()?).map(|n| {
        let at = table + n * usize::try_from(size).ok()? + 4;
        elf.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
    });
    types.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_with_symbols_is_told_from_one_without() {
        let own = std::env::current_exe().unwrap();
        let refused = must_be_stripped(&own).unwrap_err().to_string();
        assert!(refused.contains("has a symbol table"), "{refused}");

        let folder = tempfile::tempdir().unwrap();
        let stripped = folder.path().join("stripped");
        let strip = output(command("strip").arg("-o").arg(&stripped).arg(&own));
        strip.unwrap();
        must_be_stripped(&stripped).unwrap();
        fs::write(&stripped, b"no program").unwrap();
        must_be_stripped(&stripped).unwrap_err();
    }
}
