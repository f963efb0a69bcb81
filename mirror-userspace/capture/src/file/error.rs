//! Why a file is not read.

use std::{fmt, io};

/// Why a capture file could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// It could not be read.
    Io(io::Error),
    /// It is neither pcap nor pcapng, or ends inside its first header.
    NotACapture,
    /// It is something else, which can be made into a capture: what it is, and how.
    Other(&'static str),
    /// It is packed, and damaged or cut before the capture's first header.
    Broken,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotACapture => f.write_str("not a capture file (neither pcap nor pcapng)"),
            Self::Other(what) => write!(f, "not a capture file, but {what}"),
            Self::Broken => f.write_str("packed data that is damaged or cut at its beginning"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::NotACapture | Self::Other(_) | Self::Broken => None,
        }
    }
}
