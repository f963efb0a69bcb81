//! The distribution's packages, of other releases and for other architectures than this machine's,
//! too: looked up, fetched and unpacked, never installed.
//!
//! apt does all of it, with a configuration of its own: sources for every release that the mirror
//! of this machine may have, lists and downloads under the target folder. Nothing of the machine's
//! own configuration changes.

mod distribution;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, ensure};

pub(crate) use self::distribution::Distribution;
use crate::{
    arch::Arch,
    step::{self, command, output, target_dir, while_spinning},
};

/// How old a list of packages may be.
const FRESH: Duration = Duration::from_secs(24 * 3600);
/// How often a download that breaks is tried, and how long it is left alone in between.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(5);

/// apt with a configuration of its own.
pub(crate) struct Archive {
    folder: PathBuf,
    /// What this machine is of.
    pub(crate) distribution: &'static Distribution,
    /// What the packages are for.
    pub(crate) arch: Arch,
    /// How long a mirror that breaks off is left alone.
    pause: Duration,
}

impl Archive {
    /// Reads the lists of packages for this architecture.
    ///
    /// # Errors
    ///
    /// When this machine has no apt, or its mirror has no list at all.
    pub(crate) fn open(arch: Arch) -> Result<Self> {
        let (distribution, mirrors) = Distribution::find()?;
        let folder = target_dir().join("kernels");
        let folder = if arch == Arch::host() {
            folder
        } else {
            folder.join(arch.debian())
        };
        let archive = Self {
            folder,
            distribution,
            arch,
            pause: PAUSE,
        };
        let folder = archive.folder();
        for made in ["lists/partial", "archives/partial", "parts"] {
            fs::create_dir_all(folder.join(made))?;
        }
        fs::write(folder.join("status"), "")?;
        let sources = distribution.sources(&mirrors, arch);
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
            !archive.search("^dpkg$")?.is_empty(),
            "no lists of packages for {arch}:\n{}",
            String::from_utf8_lossy(&said.stderr)
        );
        fs::write(folder.join("updated"), "")?;
        Ok(archive)
    }

    /// Where all of it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The names of packages that match.
    pub(crate) fn search(&self, pattern: &str) -> Result<Vec<String>> {
        let names = output(
            self.apt("apt-cache")
                .args(["search", "--names-only", pattern]),
        )
        .context("apt-cache search")?;
        let lines = names.lines();
        let names = lines.filter_map(|line| Some(line.split(' ').next()?.to_owned()));
        Ok(names.filter(|name| !name.is_empty()).collect())
    }

    /// What is said of a package.
    pub(crate) fn show(&self, package: &str) -> Result<String> {
        let said = output(self.apt("apt-cache").args(["show", package]));
        said.with_context(|| format!("apt-cache show {package}"))
    }

    /// Unpacks packages into the folder `to`, and returns it. `package=version` asks for a version.
    ///
    /// # Errors
    ///
    /// When one can't be fetched.
    pub(crate) fn unpack_packages(&self, names: &[String], to: &str) -> Result<PathBuf> {
        self.unpack(to, |archive| {
            archive.run("download", names, &archive.folder.join("archives"))?;
            let bare = names.iter().map(|name| name.split('=').next());
            bare.flatten().map(|name| archive.file(name)).collect()
        })
    }

    /// Unpacks programs with all that they need to run into a folder, and returns it.
    ///
    /// # Errors
    ///
    /// When they can't be fetched.
    pub(crate) fn unpack_programs(&self, names: &[&str]) -> Result<PathBuf> {
        self.unpack(&names.join("+"), |archive| {
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

    /// Unpacks what `fetch` finds, once: the folder gets its name when all is in it. A mirror that
    /// breaks off is asked again.
    fn unpack(&self, to: &str, fetch: impl Fn(&Self) -> Result<Vec<PathBuf>>) -> Result<PathBuf> {
        let to = self.folder.join(to);
        if to.is_dir() {
            return Ok(to);
        }
        let unfinished = PathBuf::from(format!("{}.unfinished", to.display()));
        let attempt = || fetch(self).and_then(|packages| extract(&packages, &unfinished));
        let mut done = attempt();
        for again in 1..ATTEMPTS {
            let Err(error) = &done else { break };
            // Asking again does not bring back what the mirror has deleted.
            if format!("{error:#}").contains(" 404 ") {
                break;
            }
            eprintln!("{error:#}\ntried again ({again} of {})", ATTEMPTS - 1);
            thread::sleep(self.pause);
            done = attempt();
        }
        done?;
        fs::rename(&unfinished, &to)?;
        Ok(to)
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
            format!("APT::Architecture={}", self.arch.debian()),
            format!("APT::Architectures={}", self.arch.debian()),
            "DPkg::Lock::Timeout=300".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::Check-Valid-Until=false".to_owned(),
            "Acquire::Retries=3".to_owned(),
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

/// Unpacks these files into a new folder, and deletes them, whether they are whole or not: a broken
/// one has to be fetched again.
fn extract(packages: &[PathBuf], to: &Path) -> Result<()> {
    ensure!(!packages.is_empty(), "nothing was fetched");
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    let mut done = Ok(());
    for package in packages {
        if done.is_ok() {
            let mut extract = command("dpkg-deb");
            extract.arg("--extract").arg(package).arg(to);
            done = step::run("unpacking a package", &mut extract);
        }
        fs::remove_file(package)?;
    }
    done
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// An archive of nothing, which asks again at once.
    fn archive(folder: &Path) -> Archive {
        let (distribution, _) = Distribution::find().unwrap();
        Archive {
            folder: folder.to_owned(),
            distribution,
            arch: Arch::host(),
            pause: Duration::ZERO,
        }
    }

    /// A package with one file, `name`.
    fn package(folder: &Path, name: &str) -> Vec<u8> {
        let root = folder.join("root");
        fs::create_dir_all(root.join("DEBIAN")).unwrap();
        let control =
            "Package: a\nVersion: 1\nArchitecture: all\nMaintainer: a <a@a.test>\nDescription: a\n";
        fs::write(root.join("DEBIAN/control"), control).unwrap();
        fs::write(root.join(name), "content").unwrap();
        let file = folder.join("whole.deb");
        let mut build = command("dpkg-deb");
        build
            .args(["--root-owner-group", "--build"])
            .arg(&root)
            .arg(&file);
        step::run("building a package", &mut build).unwrap();
        fs::read(file).unwrap()
    }

    #[test]
    fn a_download_that_breaks_off_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let whole = package(folder.path(), "file");
        let (attempts, file) = (Cell::new(0), folder.path().join("a.deb"));
        let fetch = |_: &Archive| {
            attempts.set(attempts.get() + 1);
            let half = whole.get(..whole.len() / 2).unwrap();
            fs::write(&file, if attempts.get() == 1 { half } else { &whole })?;
            Ok(vec![file.clone()])
        };
        let archive = archive(folder.path());
        let to = archive.unpack("to", fetch).unwrap();
        assert_eq!(fs::read_to_string(to.join("file")).unwrap(), "content");
        assert_eq!((attempts.get(), file.exists()), (2, false));
        archive.unpack("to", fetch).unwrap();
        assert_eq!(attempts.get(), 2, "it is there");
    }

    #[test]
    fn a_mirror_that_has_nothing_is_an_error_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let attempts = Cell::new(0);
        let nothing = |_: &Archive| {
            attempts.set(attempts.get() + 1);
            Ok(Vec::new())
        };
        let archive = archive(folder.path());
        assert!(archive.unpack("to", nothing).is_err());
        assert_eq!(attempts.get(), ATTEMPTS);
        let gone = |_: &Archive| {
            attempts.set(attempts.get() + 1);
            anyhow::bail!("Err:1 http://a.test/debian sid/main linux-image\n  404  Not Found")
        };
        assert!(archive.unpack("to", gone).is_err());
        assert_eq!(attempts.get(), ATTEMPTS + 1, "it is gone for good");
        assert!(!folder.path().join("to").exists());
    }
}
