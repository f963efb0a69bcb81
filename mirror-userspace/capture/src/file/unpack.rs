//! Compressed captures, unpacked while they are read.
//!
//! How a file is packed is told by its first bytes, whatever its name, so that a pipe does as well.
//! What is behind a break in the packed data can't be had; what was before it is given, as of a file
//! that was cut.

use std::{
    error::Error,
    fmt,
    io::{self, BufReader, Chain, Cursor, ErrorKind, Read},
};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

use super::format::Ending;

/// How many of a file's first bytes tell how it is packed.
const TOLD_BY: u64 = 8;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// A frame of zstd's that holds no data begins with one of sixteen numbers (RFC 8878 section 3.1.2).
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];

/// The most of its output that zstd may refer back to, as `zstd -d` has it without `--long`.
const MAX_ZSTD_WINDOW: u64 = 128 << 20;

/// What is no capture, but may become one: its first bytes, its name, and the command.
const OTHERS: &[(&[u8], &str)] = &[
    (
        &[0xfd, b'7', b'z', b'X', b'Z', 0],
        "packed by xz: `xz -dc FILE | podmirror replay -`",
    ),
    (
        b"BZh",
        "packed by bzip2: `bzip2 -dc FILE | podmirror replay -`",
    ),
    (
        &[0x04, 0x22, 0x4d, 0x18],
        "packed by lz4: `lz4 -dc FILE | podmirror replay -`",
    ),
    (
        b"PK\x03\x04",
        "a zip archive: `unzip -p FILE | podmirror replay -`",
    ),
    (
        b"snoop\0\0\0",
        "a snoop capture: `editcap -F pcapng FILE - | podmirror replay -`",
    ),
    (
        b"GMBU",
        "a capture of Network Monitor: `editcap -F pcapng FILE - | podmirror replay -`",
    ),
];

/// What a file is that begins with these bytes and is no capture, if that is known.
pub(super) fn known_as(bytes: &[u8]) -> Option<&'static str> {
    let known = OTHERS.iter().find(|(magic, _)| bytes.starts_with(magic));
    known.map(|(_, what)| *what)
}

/// A stream, with what it begins with still to be read.
type Source<R> = Chain<Cursor<Vec<u8>>, R>;

/// A stream of bytes, unpacked if it is packed by gzip or zstd.
pub(super) struct Unpacked<R> {
    packing: Packing<R>,
    broken: Option<Ending>,
}

enum Packing<R> {
    None(Source<R>),
    Gzip(Box<MultiGzDecoder<BufReader<Source<R>>>>),
    Zstd(Box<Zstd<BufReader<Source<R>>>>),
}

impl<R: Read> Unpacked<R> {
    /// Looks at the first bytes of `input`, which are waited for.
    pub(super) fn new(mut input: R) -> io::Result<Self> {
        let mut head = Vec::new();
        (&mut input).take(TOLD_BY).read_to_end(&mut head)?;
        let is_gzip = head.starts_with(GZIP);
        let is_zstd = head.starts_with(ZSTD)
            || head.first().is_some_and(|first| first & 0xf0 == 0x50)
                && head.get(1..4) == Some(ZSTD_SKIPPABLE);
        let source = Cursor::new(head).chain(input);
        let packing = if is_gzip {
            Packing::Gzip(Box::new(MultiGzDecoder::new(BufReader::new(source))))
        } else if is_zstd {
            Packing::Zstd(Box::new(Zstd::new(BufReader::new(source))))
        } else {
            Packing::None(source)
        };
        Ok(Self {
            packing,
            broken: None,
        })
    }
}

impl<R> Unpacked<R> {
    /// How the packed data ended, if that was too early or wrong.
    pub(super) fn broken(&self) -> Option<Ending> {
        self.broken
    }
}

impl<R: Read> Read for Unpacked<R> {
    /// The stream ends where the packed data can't be followed any further.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.broken.is_some() {
            return Ok(0);
        }
        let read = match &mut self.packing {
            Packing::None(source) => return source.read(buf),
            Packing::Gzip(decoder) => decoder.read(buf),
            Packing::Zstd(decoder) => decoder.read(buf),
        };
        let Err(error) = read else { return read };
        let cause = cause(&error);
        self.broken = match cause.kind() {
            ErrorKind::UnexpectedEof => Some(Ending::Cut),
            ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::Other => {
                log::debug!("unpacking: {error}");
                Some(Ending::Corrupt)
            }
            kind => return Err(io::Error::new(kind, cause.to_string())),
        };
        Ok(0)
    }
}

impl<R> fmt::Debug for Unpacked<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packing = match self.packing {
            Packing::None(_) => "none",
            Packing::Gzip(_) => "gzip",
            Packing::Zstd(_) => "zstd",
        };
        f.debug_struct("Unpacked")
            .field("packing", &packing)
            .field("broken", &self.broken)
            .finish()
    }
}

/// The error that was first: a decoder may have wrapped the one of its source.
fn cause(error: &io::Error) -> &io::Error {
    let mut first = error;
    let mut next: Option<&(dyn Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(inner) = next {
        first = inner.downcast_ref().unwrap_or(first);
        next = inner.source();
    }
    first
}

/// The frames of zstd (RFC 8878), one after the other: parallel compressors write many.
struct Zstd<S> {
    source: S,
    decoder: FrameDecoder,
    /// Why nothing more is decoded: what there is already is given first.
    failed: Option<io::Error>,
}

/// The end of a frame (RFC 8878 section 3.1.1.2): a last block, which is empty, and a checksum, which
/// nobody looks at.
const END_OF_FRAME: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

impl<S: io::BufRead> Zstd<S> {
    fn new(source: S) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_ZSTD_WINDOW);
        Self {
            source,
            decoder,
            failed: None,
        }
    }

    /// Begins the next frame with data in it; `false` at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let mut skipped = (&mut self.source).take(length);
                    if io::copy(&mut skipped, &mut io::sink())? < length {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl<S: io::BufRead> Read for Zstd<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buf);
            }
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            if self.decoder.is_finished() {
                if !self.next_frame()? {
                    return Ok(0);
                }
                continue;
            }
            let one = BlockDecodingStrategy::UptoBlocks(1);
            if let Err(error) = self.decoder.decode_blocks(&mut self.source, one) {
                self.failed = Some(io::Error::other(error));
                // The decoder holds back what later blocks may refer to, up to 8 MiB by default, until
                // the frame ends.
                let all = BlockDecodingStrategy::All;
                self.decoder
                    .decode_blocks(&END_OF_FRAME[..], all)
                    .map_err(io::Error::other)?;
            }
        }
    }
}
