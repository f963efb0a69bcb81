//! The thread that reads the capture, and how far it has come.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use anyhow::Context as _;
use mirror_capture::file::{CaptureFile, Captured, OpenError, StreamNumber, usual_tunnels};
use mirror_common::packet::Tunnels;
use mirror_core::{
    counters::{FileCounters, NotRead},
    segment::{Direction, Segment, Time},
};
use tokio::sync::{mpsc, oneshot};

use crate::playback::Playback;

/// How many segments the reader may be ahead: 16 MiB of the largest IP packets.
const AHEAD: usize = 256;

/// reader thread --what it read--> replay
#[derive(Debug)]
pub(super) enum Read {
    Segment(Box<Taken>),
    /// The file ended, or could not be read on.
    End(io::Result<()>, Box<(FileCounters, NotRead)>),
}

/// A segment that owns its payload.
#[derive(Debug)]
pub(super) struct Taken {
    stream: StreamNumber,
    segment: Segment<'static>,
    payload: Box<[u8]>,
    /// What the file had, up to this segment.
    pub(super) counted: FileCounters,
}

impl Taken {
    fn new(Captured { stream, segment }: Captured<'_>) -> Self {
        Self {
            stream,
            payload: segment.payload.into(),
            segment: Segment {
                payload: &[],
                ..segment
            },
            counted: FileCounters::default(),
        }
    }

    pub(super) const fn at(&self) -> Time {
        self.segment.at
    }

    /// Whether a client sent it.
    pub(super) fn is_from_client(&self) -> bool {
        self.segment.direction == Direction::ToServer
    }

    pub(super) fn hand_to(&self, playback: &mut Playback) {
        let segment = Segment {
            payload: &self.payload,
            ..self.segment
        };
        playback.handle(self.stream, &segment);
    }
}

/// What of a file is read.
#[derive(Clone, Debug, Default)]
pub struct Select {
    /// The servers' ports; none given is all.
    pub ports: Vec<u16>,
    /// The UDP ports of tunnels, which are taken off; `None` for the usual ones.
    pub tunnels: Option<Vec<Tunnels>>,
    /// Segments whatever their checksums are.
    pub ignore_checksums: bool,
}

impl Select {
    fn of<R: io::Read>(self, capture: CaptureFile<R>) -> CaptureFile<R> {
        capture
            .with_ports(self.ports)
            .with_tunnels(self.tunnels.unwrap_or_else(usual_tunnels))
            .ignoring_checksums(self.ignore_checksums)
            .with_replies(true)
    }
}

/// How far a file is read.
#[derive(Clone, Debug, Default)]
pub struct Position {
    read: Arc<AtomicU64>,
    /// The file's length in bytes; `None` for a pipe.
    pub len: Option<u64>,
}

impl Position {
    /// Bytes read so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

/// Starts the thread, and waits until the file is open.
pub(super) async fn start(
    path: PathBuf,
    select: Select,
) -> anyhow::Result<(mpsc::Receiver<Read>, Position)> {
    let (send, reads) = mpsc::channel(AHEAD);
    let (opened, is_open) = oneshot::channel();
    thread::Builder::new()
        .name("reader".into())
        .spawn(move || match open(&path) {
            Ok((capture, position)) => {
                if opened.send(Ok(position)).is_ok() {
                    read(select.of(capture), &send);
                }
            }
            Err(error) => drop(opened.send(Err(error))),
        })
        .context("starting the reader's thread")?;
    let position = is_open.await.context("the reader is gone")??;
    Ok((reads, position))
}

/// Reads to the end, or until nobody receives any more.
fn read(mut capture: CaptureFile<impl io::Read>, to: &mpsc::Sender<Read>) {
    loop {
        let next = capture.next_segment().map(|next| next.map(Taken::new));
        let counted = capture.counters();
        let message = match next {
            Ok(Some(segment)) => Read::Segment(Box::new(Taken { counted, ..segment })),
            Ok(None) => Read::End(Ok(()), Box::new((counted, capture.not_read()))),
            Err(error) => Read::End(Err(error), Box::new((counted, capture.not_read()))),
        };
        let is_last = matches!(message, Read::End(..));
        if to.blocking_send(message).is_err() || is_last {
            return;
        }
    }
}

fn open(path: &Path) -> Result<(CaptureFile<Counting>, Position), OpenError> {
    let mut position = Position::default();
    let input: Box<dyn io::Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let file = File::open(path).map_err(OpenError::Io)?;
        let metadata = file.metadata().map_err(OpenError::Io)?;
        position.len = metadata.is_file().then_some(metadata.len());
        Box::new(file)
    };
    let read = Arc::clone(&position.read);
    let capture = CaptureFile::new(Counting { input, read })?;
    Ok((capture, position))
}

/// Says how much was read.
struct Counting {
    input: Box<dyn io::Read>,
    read: Arc<AtomicU64>,
}

impl io::Read for Counting {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buf)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
