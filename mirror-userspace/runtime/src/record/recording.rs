//! The capture files of a recording, each standing alone.
//!
//! A request is in one file from its first byte to its last, so a file that is followed by another
//! stays open until the requests in it have ended. Only one such file is kept: requests still in it
//! when the next one is due are broken off.

use std::{fmt, io};

use mirror_capture::file::{CaptureWriter, Headers};
use mirror_core::segment::{Segment, Time};

use super::files::{Files, Output};

/// The number of a file, from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileNumber(u32);

/// The files of a recording.
pub struct Recording {
    files: Files,
    current: Open,
    /// The previous file, while it has unfinished requests.
    before: Option<Open>,
    /// The first failure; nothing is written after it.
    failed: Option<io::Error>,
}

/// A file that is being written.
struct Open {
    number: FileNumber,
    writer: CaptureWriter<Output>,
    /// The time of the first request in it.
    since: Option<Time>,
    /// Requests that have begun and not ended.
    requests: usize,
}

/// Why a segment was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its file is closed.
    FileClosed,
    /// The disk, or whatever it is, takes no more.
    Failed,
}

impl Recording {
    /// Creates the first file.
    ///
    /// # Errors
    /// It can't be created or written.
    pub fn create(files: Files) -> io::Result<Self> {
        let current = Open::create(&files, FileNumber(1))?;
        Ok(Self {
            files,
            current,
            before: None,
            failed: None,
        })
    }

    /// Why nothing is written any more, if so.
    pub fn failure(&self) -> Option<&io::Error> {
        self.failed.as_ref()
    }

    /// Ends the last file, with a comment on what was recorded and what was lost.
    ///
    /// # Errors
    /// The first failure of all, or that of writing the rest.
    pub fn finish(self, comment: &str) -> io::Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if let Some(before) = self.before {
            before.finish("goes on in the next file")?;
        }
        self.current.finish(comment)
    }

    /// The number of the file for a request that begins at this time.
    pub(super) fn begin(&mut self, at: Time) -> Result<FileNumber, Refused> {
        if self.current.is_due(&self.files, at) {
            self.attempt(Self::rotate)?;
        }
        self.current.since.get_or_insert(at);
        self.current.requests += 1;
        Ok(self.current.number)
    }

    /// Notes that a request in this file has ended, one way or another.
    pub(super) fn end(&mut self, number: FileNumber) {
        if let Some(file) = self.file(number) {
            file.requests = file.requests.saturating_sub(1);
        }
        if let Some(before) = self.before.take_if(|before| before.requests == 0) {
            // Remembered, and told by `failure`.
            let _refused = self.attempt(|_| before.finish("goes on in the next file"));
        }
        if self.files.is_stdout() {
            // Someone may be watching.
            let _refused = self.attempt(|recording| recording.current.writer.flush());
        }
    }

    pub(super) fn write(
        &mut self,
        number: FileNumber,
        segment: &Segment<'_>,
    ) -> Result<(), Refused> {
        if self.file(number).is_none() {
            return Err(Refused::FileClosed);
        }
        self.attempt(|recording| match recording.file(number) {
            Some(file) => file.writer.write(segment),
            None => Ok(()),
        })
    }

    /// The files that take segments.
    pub(super) fn open(&self) -> [Option<FileNumber>; 2] {
        let before = self.before.as_ref().map(|file| file.number);
        [before, Some(self.current.number)]
    }

    fn file(&mut self, number: FileNumber) -> Option<&mut Open> {
        if self.current.number == number {
            return Some(&mut self.current);
        }
        self.before.as_mut().filter(|file| file.number == number)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let next = Open::create(&self.files, FileNumber(self.current.number.0 + 1))?;
        let ended = std::mem::replace(&mut self.current, next);
        if let Some(before) = self.before.replace(ended) {
            before.finish("goes on in the next file")?;
        }
        Ok(())
    }

    fn attempt(&mut self, what: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<(), Refused> {
        if self.failed.is_some() {
            return Err(Refused::Failed);
        }
        what(self).map_err(|error| {
            self.failed = Some(error);
            Refused::Failed
        })
    }
}

impl Open {
    fn create(files: &Files, number: FileNumber) -> io::Result<Self> {
        let output = files.create(number.0)?;
        let comment = "podmirror record: requests as they were mirrored, in segments made for them";
        let writer = CaptureWriter::new(output, Headers::Ethernet, &[comment])?;
        Ok(Self {
            number,
            writer,
            since: None,
            requests: 0,
        })
    }

    fn is_due(&self, files: &Files, at: Time) -> bool {
        let Some(since) = self.since else {
            return false;
        };
        let rotation = files.rotation;
        rotation
            .size
            .is_some_and(|size| self.writer.written() >= size)
            || rotation.age.is_some_and(|age| at.since(since) >= age)
    }

    fn finish(self, comment: &str) -> io::Result<()> {
        self.writer.finish(&[comment]).map(drop)
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}
