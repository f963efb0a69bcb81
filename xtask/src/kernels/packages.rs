//! Kernels among the distribution's packages.

use std::path::PathBuf;

use anyhow::Result;

use super::version::Version;
use crate::archive::Archive;

/// A kernel that can be had.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// Its version.
    pub(super) version: Version,
    /// The package with the kernel in it; the modules may be in another.
    package: String,
}

/// All kernels that can be had, the oldest first.
///
/// # Errors
///
/// When apt does not run.
pub(super) fn kernels(archive: &Archive) -> Result<Vec<Kernel>> {
    let flavour = archive.distribution.flavour(archive.arch);
    let pattern = format!("^linux-image-(unsigned-)?[0-9.]+.*{flavour}$");
    let names = archive.search(&pattern)?;
    let mut kernels: Vec<_> = names
        .into_iter()
        .filter_map(|package| {
            let name = package.trim_start_matches("linux-image-");
            let version = name.trim_start_matches("unsigned-");
            let version = Version::of_package(version.trim_end_matches(&flavour))?;
            Some(Kernel { version, package })
        })
        .collect();
    kernels.sort_by(|one, other| one.version.cmp(&other.version));
    Ok(kernels)
}

impl Kernel {
    /// Unpacks it and its modules into a folder, and returns it.
    ///
    /// # Errors
    ///
    /// When it can't be fetched.
    pub(super) fn unpack(&self, archive: &Archive) -> Result<PathBuf> {
        let said = archive.show(&self.package)?;
        let mut names = vec![self.package.clone()];
        names.extend(parts_in(&said, &self.version.to_string()));
        archive.unpack_packages(&names, &self.package)
    }
}

/// Of what a package depends on, by `apt-cache show`, the other packages of the same kernel: some
/// releases have the modules apart, some the kernel itself, too. The `linux-base` of a kernel has
/// nothing that boots, and leaves the archive before the kernel does.
fn parts_in(said: &str, version: &str) -> Vec<String> {
    let lines = said.lines();
    let depends = lines.filter_map(|line| line.strip_prefix("Depends: "));
    let needed = depends.flat_map(|line| line.split([',', '|']));
    let names = needed.filter_map(|one| one.split_whitespace().next());
    let mut names: Vec<_> = names
        .filter(|name| name.starts_with("linux-") && name.contains(version))
        .filter(|name| !name.starts_with("linux-base-"))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_in_parts_is_fetched_whole() {
        let said = "Package: linux-image-7.3.4-cloud-amd64\n\
            Depends: dracut | linux-initramfs-tool, linux-base (>= 4), \
            linux-base-7.3.4-cloud-amd64 (= 7.3.4-1), \
            linux-binary-7.3.4-cloud-amd64 (= 7.3.4-1), linux-modules-7.3.4-cloud-amd64\n";
        let parts = [
            "linux-binary-7.3.4-cloud-amd64",
            "linux-modules-7.3.4-cloud-amd64",
        ];
        assert_eq!(parts_in(said, "7.3.4"), parts);
        assert_eq!(
            parts_in("Depends: kmod, linux-base (>= 4.3~)\n", "5.10.0-46"),
            [""; 0]
        );
    }
}
