//! Which files a recording is in, and when the next one begins.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use super::create_private;

/// A file, or standard output.
pub(super) type Output = Box<dyn Write + Send>;

/// When a file is followed by the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// At this many bytes.
    pub size: Option<u64>,
    /// At this age, told by the times of what is in it.
    pub age: Option<Duration>,
}

/// The file or files of a recording.
#[derive(Clone, Debug)]
pub struct Files {
    /// What was asked for; `-` is standard output.
    pub path: PathBuf,
    /// With any rotation the files are numbered: `web.pcapng` becomes `web-00001.pcapng` and so on.
    pub rotation: Rotation,
}

impl Files {
    /// Whether there may be more than one.
    #[must_use]
    pub const fn are_numbered(&self) -> bool {
        self.rotation.size.is_some() || self.rotation.age.is_some()
    }

    /// Whether it is standard output.
    #[must_use]
    pub fn is_stdout(&self) -> bool {
        self.path == Path::new("-")
    }

    /// The path of the file with this number, from 1 on.
    #[must_use]
    pub fn path_of(&self, number: u32) -> PathBuf {
        if !self.are_numbered() {
            return self.path.clone();
        }
        let stem = self.path.file_stem().unwrap_or_default();
        let mut name = stem.to_os_string();
        name.push(format!("-{number:05}"));
        if let Some(extension) = self.path.extension() {
            name.push(".");
            name.push(extension);
        }
        self.path.with_file_name(name)
    }

    /// Creates the file with this number anew. Only its owner may read it: requests carry secrets.
    pub(super) fn create(&self, number: u32) -> io::Result<Output> {
        if self.is_stdout() {
            return Ok(Box::new(BufWriter::new(io::stdout())));
        }
        let file = create_private(&self.path_of(number))?;
        Ok(Box::new(BufWriter::with_capacity(64 << 10, file)))
    }
}
