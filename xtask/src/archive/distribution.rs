//! Which distribution this machine is of, and where its packages are.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use lab::packages::require;

use crate::{
    arch::Arch,
    step::{command, output},
};

/// A distribution: its releases, and how it names kernels.
pub(crate) struct Distribution {
    /// As apt names it.
    origin: &'static str,
    /// Releases of the archive, the oldest first; one that is gone is left out.
    releases: &'static [&'static str],
    /// Releases of the archive of security updates.
    security: &'static [&'static str],
    /// The parts of the archive.
    components: &'static str,
    /// The release whose `ip`, `tc` and `ethtool` the machines get: the newest stable one.
    pub(super) tools: &'static str,
    /// How the names of kernels end: this, and the architecture if it is `true`.
    flavour: (&'static str, bool),
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
        components: "main",
        tools: "trixie",
        flavour: ("-cloud-", true),
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
        components: "main universe",
        tools: "noble",
        flavour: ("-generic", false),
        keyring: "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
    },
];

impl Distribution {
    /// This machine's, and the mirrors that its apt is configured with.
    pub(super) fn find() -> Result<(&'static Self, Vec<String>)> {
        require("dpkg-deb").context("packages are Debian's or Ubuntu's")?;
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

    /// How the names of this architecture's kernels end.
    pub(crate) fn flavour(&self, arch: Arch) -> String {
        match self.flavour {
            (start, true) => format!("{start}{}", arch.debian()),
            (whole, false) => whole.to_owned(),
        }
    }

    /// A `sources.list` of every release that these mirrors may have.
    pub(super) fn sources(&self, mirrors: &[String], arch: Arch) -> String {
        let mut options = format!("arch={}", arch.debian());
        if Path::new(self.keyring).exists() {
            options += &format!(" signed-by={}", self.keyring);
        }
        let mut lines = String::new();
        for mirror in mirrors {
            let releases = if mirror.trim_end_matches('/').ends_with("-security") {
                self.security
            } else {
                self.releases
            };
            for release in releases {
                let components = self.components;
                lines += &format!("deb [{options}] {mirror} {release} {components}\n");
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mirror_gets_its_own_releases() {
        let mirrors = ["http://a.test/debian/", "http://a.test/debian-security/"];
        let text = DISTRIBUTIONS[0].sources(&mirrors.map(str::to_owned), Arch::Arm64);
        assert!(text.contains("debian/ bullseye main\n"), "{text}");
        assert!(
            text.contains("debian-security/ bullseye-security main\n"),
            "{text}"
        );
        assert!(!text.contains("debian/ bullseye-security"), "{text}");
        assert!(
            text.lines().all(|line| line.starts_with("deb [arch=arm64")),
            "{text}"
        );
    }

    #[test]
    fn kernels_are_named_by_architecture_where_they_are() {
        let [debian, ubuntu] = &DISTRIBUTIONS;
        assert_eq!(debian.flavour(Arch::Arm64), "-cloud-arm64");
        assert_eq!(ubuntu.flavour(Arch::Amd64), "-generic");
    }
}
