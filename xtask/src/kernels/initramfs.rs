//! The root of a machine: a cpio archive in the "newc" format, which the kernel unpacks into
//! memory (`Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use anyhow::{Context as _, Result};

/// Of a package that is only unpacked, no machine of ours needs these.
const LEFT_OUT: &[&str] = &[
    "usr/share",
    "usr/lib/systemd",
    "usr/include",
    "var",
    "etc",
    "boot",
    "lib/systemd",
];

/// An archive that is being written.
pub(super) struct Initramfs {
    to: BufWriter<File>,
    files: u32,
}

const FOLDER: u32 = 0o040_755;
const LINK: u32 = 0o120_777;
const FILE: u32 = 0o100_000;

impl Initramfs {
    /// Begins the archive.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        Ok(Self {
            to: BufWriter::new(file),
            files: 0,
        })
    }

    /// A folder.
    pub(super) fn folder(&mut self, name: &str) -> Result<()> {
        self.entry(name, FOLDER, &[])
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, name: &str, target: &str) -> Result<()> {
        self.entry(name, LINK, target.as_bytes())
    }

    /// A file.
    pub(super) fn file(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.entry(name, FILE | mode, content)
    }

    /// A copy of a program.
    pub(super) fn program(&mut self, name: &str, from: &Path) -> Result<()> {
        let content = fs::read(from).with_context(|| from.display().to_string())?;
        self.file(name, 0o755, &content)
    }

    /// All that is in a folder but for what no machine needs; `prefix` is its name in the archive.
    pub(super) fn tree(&mut self, from: &Path, prefix: &str) -> Result<()> {
        let mut entries: Vec<_> = fs::read_dir(from)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if LEFT_OUT.contains(&name.as_str()) {
                continue;
            }
            let kind = entry.file_type()?;
            let path = entry.path();
            if kind.is_symlink() {
                let target = fs::read_link(&path)?;
                self.link(&name, &target.to_string_lossy())?;
            } else if kind.is_dir() {
                self.folder(&name)?;
                self.tree(&path, &format!("{name}/"))?;
            } else if kind.is_file() {
                let mode = entry.metadata()?.permissions().mode() & 0o777;
                self.file(&name, mode, &fs::read(&path)?)?;
            }
        }
        Ok(())
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> Result<()> {
        self.entry("TRAILER!!!", 0, &[])?;
        self.to.flush()?;
        Ok(())
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.files += 1;
        let len = u32::try_from(content.len()).context("a file of more than 4 GiB")?;
        let named = u32::try_from(name.len() + 1)?;
        let header = header(self.files, mode, len, named);
        self.to.write_all(header.as_bytes())?;
        self.to.write_all(name.as_bytes())?;
        self.pad(header.len() + name.len(), 1)?;
        self.to.write_all(content)?;
        self.pad(content.len(), 0)
    }

    /// Zeros, at least so many, up to a multiple of four bytes.
    fn pad(&mut self, len: usize, at_least: usize) -> Result<()> {
        let zeros = (len + at_least).next_multiple_of(4) - len;
        let zeros = [0; 8].get(..zeros).unwrap_or_default();
        self.to.write_all(zeros)?;
        Ok(())
    }
}

/// Thirteen numbers of eight hexadecimal digits behind the magic.
fn header(inode: u32, mode: u32, len: u32, named: u32) -> String {
    let (owner, links, time, device, checksum) = (0, 1, 0, 0, 0);
    let fields = [
        inode, mode, owner, owner, links, time, len, device, device, device, device, named,
        checksum,
    ];
    let fields = fields.map(|field: u32| format!("{field:08x}"));
    format!("070701{}", fields.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_aligned_and_the_trailer_ends_them() {
        let path = std::env::temp_dir().join(format!("podmirror-cpio-{}", std::process::id()));
        let mut archive = Initramfs::create(&path).unwrap();
        archive.folder("bin").unwrap();
        archive.file("bin/sh", 0o755, b"12345").unwrap();
        archive.link("sh", "bin/sh").unwrap();
        archive.finish().unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(bytes.len() % 4, 0);
        let starts: Vec<_> = (0..bytes.len())
            .filter(|&at| bytes[at..].starts_with(b"070701"))
            .collect();
        assert_eq!(starts.len(), 4);
        assert!(starts.iter().all(|at| at % 4 == 0), "{starts:?}");
        let file = &bytes[starts[1]..];
        assert_eq!(&file[14..22], b"000081ed", "a program");
        assert_eq!(&file[54..62], b"00000005", "its length");
        assert!(bytes.windows(10).any(|window| window == b"TRAILER!!!"));
    }
}
