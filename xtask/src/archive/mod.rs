//! The distribution's packages, of other releases than this machine's, too: looked up, fetched and
//! unpacked, never installed.
//!
//! apt does all of it, with a configuration of its own: sources for every release that the mirror
//! of this machine may have, lists and downloads under the target folder. Nothing of the machine's
//! own configuration changes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, bail, ensure};
use lab::packages::require;

use super::version::Version;
use crate::step::{self, command, output, while_spinning};

/// A distribution: its releases, and how it names kernels.
struct Distribution {
    /// As apt names it.
    origin: &'static str,
    /// Releases of the archive, the oldest first; one that is gone is left out.
    releases: &'static [&'static str],
    /// Releases of the archive of security updates.
    security: &'static [&'static str],
    /// The part of the archive.
    component: &'static str,
    /// The release whose `ip`, `tc` and `ethtool` the machines get: the newest stable one.
    tools: &'static str,
    /// How the names of kernels end.
    flavour: &'static str,
    /// Where its keys are.
    keyring: &'static str,
}

const DISTRIBUTIONS: [Distribution; 2] = [
    Distribution {
        origin: "Debian",
        releases: &[
            "bullseye",
            "bookworm",
            "bookworm-backports",
            "trixie",
            "trixie-backports",
            "sid",
        ],
        security: &["bullseye-security", "bookworm-security", "trixie-security"],
        component: "main",
        tools: "trixie",
        flavour: "-cloud-amd64",
        keyring: "/usr/share/keyrings/debian-archive-keyring.gpg",
    },
    Distribution {
        origin: "Ubuntu",
        releases: &[
            "focal",
            "focal-updates",
            "jammy",
            "jammy-updates",
            "noble",
            "noble-updates",
        ],
        security: &[],
        component: "main",
        tools: "noble",
        flavour: "-generic",
        keyring: "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
    },
];

/// How old a list of packages may be.
const FRESH: Duration = Duration::from_secs(24 * 3600);

/// A kernel that can be had.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// Its version.
    pub(super) version: Version,
    /// The package with the kernel in it; the modules may be in another.
    package: String,
}

/// apt with a configuration of its own.
pub(super) struct Archive {
    folder: PathBuf,
    distribution: &'static Distribution,
}

impl Archive {
    /// Reads the lists of packages, into `folder`.
    ///
    /// # Errors
    ///
    /// When this machine has no apt, or its mirror has no list at all.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let (distribution, mirrors) = mirrors()?;
        let archive = Self {
            folder: folder.to_owned(),
            distribution,
        };
        for made in ["lists/partial", "archives/partial", "parts"] {
            fs::create_dir_all(folder.join(made))?;
        }
        fs::write(folder.join("status"), "")?;
        let sources = sources(distribution, &mirrors);
        let list = folder.join("sources.list");
        let fresh = fs::metadata(folder.join("updated"))
            .and_then(|file| file.modified())
            .is_ok_and(|then| {
                SystemTime::now()
                    .duration_since(then)
                    .is_ok_and(|age| age < FRESH)
            });
        if fresh && fs::read_to_string(&list).is_ok_and(|before| before == sources) {
            return Ok(archive);
        }
        fs::write(&list, sources)?;
        // A release that the mirror has no more is an error of apt's, and none of ours.
        let said = while_spinning("reading the lists of packages", || {
            archive.apt("apt-get").args(["--quiet", "update"]).output()
        })
        .context("apt-get update")?;
        ensure!(
            !archive.kernels()?.is_empty(),
            "no kernels in the lists of packages:\n{}",
            String::from_utf8_lossy(&said.stderr)
        );
        fs::write(folder.join("updated"), "")?;
        Ok(archive)
    }

    /// Where all of it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// All kernels that can be had, the oldest first.
    pub(super) fn kernels(&self) -> Result<Vec<Kernel>> {
        let pattern = format!(
            "^linux-image-(unsigned-)?[0-9.]+.*{}$",
            self.distribution.flavour
        );
        let names = output(
            self.apt("apt-cache")
                .args(["search", "--names-only", &pattern]),
        )
        .context("apt-cache search")?;
        let mut kernels: Vec<_> = names
            .lines()
            .filter_map(|line| {
                let package = line.split(' ').next()?.to_owned();
                let name = package.trim_start_matches("linux-image-");
                let version = name.trim_start_matches("unsigned-");
                let version = version.trim_end_matches(self.distribution.flavour);
                Some(Kernel {
                    version: Version::of_package(version)?,
                    package,
                })
            })
            .collect();
        kernels.sort_by(|one, other| one.version.cmp(&other.version));
        Ok(kernels)
    }

    /// Unpacks a kernel and its modules into a folder, and returns it.
    ///
    /// # Errors
    ///
    /// When it can't be fetched.
    pub(super) fn unpack_kernel(&self, kernel: &Kernel) -> Result<PathBuf> {
        let names = self.parts(kernel)?;
        let to = self.folder.join(&kernel.package);
        self.unpack(&to, |archive| {
            archive.run("download", &names, &archive.folder.join("archives"))?;
            names.iter().map(|name| archive.file(name)).collect()
        })
    }

    /// The package, and those of the same kernel that it depends on: some releases have the modules
    /// apart, some the kernel itself, too.
    fn parts(&self, kernel: &Kernel) -> Result<Vec<String>> {
        let said = output(self.apt("apt-cache").args(["show", &kernel.package]));
        let said = said.with_context(|| format!("apt-cache show {}", kernel.package))?;
        let mut names = vec![kernel.package.clone()];
        names.extend(parts_in(&said, &kernel.version.to_string()));
        Ok(names)
    }

    /// Unpacks programs with all that they need to run into a folder, and returns it.
    ///
    /// # Errors
    ///
    /// When they can't be fetched.
    pub(super) fn unpack_programs(&self, names: &[&str]) -> Result<PathBuf> {
        let to = self.folder.join(names.join("+"));
        self.unpack(&to, |archive| {
            let apart = archive.folder.join("programs-archives");
            fs::create_dir_all(apart.join("partial"))?;
            let cache = format!("Dir::Cache::archives={}", apart.display());
            let release = archive.distribution.tools;
            let mut arguments = vec!["--download-only", "-o", &cache, "-t", release, "install"];
            arguments.extend(names);
            let arguments: Vec<_> = arguments.iter().map(|&word| word.to_owned()).collect();
            archive.run("--yes", &arguments, &apart)?;
            let files = fs::read_dir(&apart)?.flatten().map(|file| file.path());
            Ok(files
                .filter(|path| path.extension().is_some_and(|end| end == "deb"))
                .collect())
        })
    }

    /// Unpacks what `fetch` finds, once: the folder gets its name when all is in it.
    fn unpack(
        &self,
        to: &Path,
        fetch: impl FnOnce(&Self) -> Result<Vec<PathBuf>>,
    ) -> Result<PathBuf> {
        if to.is_dir() {
            return Ok(to.to_owned());
        }
        let packages = fetch(self)?;
        ensure!(!packages.is_empty(), "nothing was fetched");
        let unfinished = PathBuf::from(format!("{}.unfinished", to.display()));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir_all(&unfinished)?;
        for package in packages {
            step::run(
                "unpacking a package",
                command("dpkg-deb")
                    .arg("--extract")
                    .args([&package, &unfinished]),
            )?;
            fs::remove_file(&package)?;
        }
        fs::rename(&unfinished, to)?;
        Ok(to.to_owned())
    }

    /// The downloaded file of a package.
    fn file(&self, name: &str) -> Result<PathBuf> {
        let start = format!("{name}_");
        let files = fs::read_dir(self.folder.join("archives"))?.flatten();
        let mut files = files.map(|file| file.path()).filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(&start))
        });
        files
            .next()
            .with_context(|| format!("{name} was not fetched"))
    }

    fn run(&self, action: &str, names: &[String], from: &Path) -> Result<()> {
        step::run(
            "fetching packages",
            self.apt("apt-get")
                .args(["--quiet", "--no-install-recommends", action])
                .args(names)
                .current_dir(from),
        )
    }

    /// An apt program that knows our folders only.
    fn apt(&self, program: &str) -> Command {
        let mut apt = command(program);
        let folder = self.folder.display();
        for option in [
            format!("Dir::Etc::sourcelist={folder}/sources.list"),
            format!("Dir::Etc::sourceparts={folder}/parts"),
            format!("Dir::Etc::preferencesparts={folder}/parts"),
            format!("Dir::State::status={folder}/status"),
            format!("Dir::State::lists={folder}/lists"),
            format!("Dir::Cache={folder}"),
            "DPkg::Lock::Timeout=300".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::Check-Valid-Until=false".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
            // What the machine does after an update is not for these lists.
            "APT::Update::Post-Invoke-Success=".to_owned(),
        ] {
            apt.args(["-o", &option]);
        }
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    }
}

/// The distribution, and the mirrors that this machine's apt is configured with.
fn mirrors() -> Result<(&'static Distribution, Vec<String>)> {
    require("dpkg-deb").context("kernels come from Debian's or Ubuntu's packages")?;
    let listed = output(command("apt-get").args([
        "indextargets",
        "--format",
        "$(ORIGIN) $(REPO_URI)",
        "Created-By: Packages",
    ]));
    let listed = listed.context("apt-get says nothing of its sources: run `apt-get update`")?;
    for distribution in &DISTRIBUTIONS {
        let mut uris: Vec<_> = listed
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(origin, _)| *origin == distribution.origin)
            .map(|(_, uri)| uri.to_owned())
            .collect();
        uris.sort();
        uris.dedup();
        if !uris.is_empty() {
            return Ok((distribution, uris));
        }
    }
    bail!("apt has no mirror of Debian or Ubuntu: run `apt-get update` first")
}

fn sources(distribution: &Distribution, mirrors: &[String]) -> String {
    let key = if Path::new(distribution.keyring).exists() {
        format!("[signed-by={}] ", distribution.keyring)
    } else {
        String::new()
    };
    let mut lines = String::new();
    for mirror in mirrors {
        let releases = if mirror.trim_end_matches('/').ends_with("-security") {
            distribution.security
        } else {
            distribution.releases
        };
        for release in releases {
            lines += &format!("deb {key}{mirror} {release} {}\n", distribution.component);
        }
    }
    lines
}

/// Of what a package depends on, by `apt-cache show`, the other packages of the same kernel.
fn parts_in(said: &str, version: &str) -> Vec<String> {
    let lines = said.lines();
    let depends = lines.filter_map(|line| line.strip_prefix("Depends: "));
    let needed = depends.flat_map(|line| line.split([',', '|']));
    let names = needed.filter_map(|one| one.split_whitespace().next());
    let mut names: Vec<_> = names
        .filter(|name| name.starts_with("linux-") && name.contains(version))
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

    #[test]
    fn every_mirror_gets_its_own_releases() {
        let mirrors = ["http://a.test/debian/", "http://a.test/debian-security/"];
        let text = sources(&DISTRIBUTIONS[0], &mirrors.map(str::to_owned));
        assert!(text.contains("debian/ bullseye main\n"), "{text}");
        assert!(
            text.contains("debian-security/ bullseye-security main\n"),
            "{text}"
        );
        assert!(!text.contains("debian/ bullseye-security"), "{text}");
    }
}
