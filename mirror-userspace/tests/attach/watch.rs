//! Reads what a capture copies and puts the streams together again.

use std::{collections::HashMap, time::Duration};

use anyhow::Result;
use mirror_capture::{
    AttachmentId, Batch, Capture, Hook, LiveConfig, Netns, Place, RingReader, Tap,
};
use mirror_core::{
    counters::KernelCounters,
    policy::KernelSampling,
    segment::{FlowId, SeqNum, Time},
};
use mirror_runtime::clock;

use crate::lab::PORT;

/// So little that what a test captures takes several batches.
const FEW: Batch = Batch {
    records: 7,
    bytes: 64 * 1024,
};

/// A capture of one place.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) live: LiveConfig,
    pub(crate) netns: String,
    pub(crate) interface: &'static str,
    pub(crate) hook: Hook,
    pub(crate) tap: Option<Tap>,
    pub(crate) ports: Vec<u16>,
}

impl Setup {
    /// What the server's port receives at `eth0` of the namespace.
    pub(crate) fn new(netns: &str) -> Self {
        Self {
            live: LiveConfig::default(),
            netns: netns.to_owned(),
            interface: "eth0",
            hook: Hook::Ingress,
            tap: None,
            ports: vec![PORT],
        }
    }

    pub(crate) fn place(&self) -> Result<Place> {
        let netns = Netns::Named(self.netns.clone()).open()?;
        Ok(Place {
            hook: self.hook,
            tap: self.tap,
            ..Place::new(netns, self.interface, self.ports.clone())
        })
    }

    pub(crate) fn start(&self) -> Result<Watch> {
        let (mut capture, readers) = Capture::open(self.live.clone(), KernelSampling::default())?;
        let id = capture.attach(self.place()?)?;
        Ok(Watch {
            capture,
            id,
            readers,
            streams: HashMap::new(),
            arrivals: Vec::new(),
        })
    }
}

/// A capture with its readers, and the streams seen.
pub(crate) struct Watch {
    pub(crate) capture: Capture,
    /// The first attachment of the capture.
    pub(crate) id: AttachmentId,
    pub(crate) readers: Vec<RingReader>,
    streams: HashMap<FlowId, Stream>,
    /// All segments, as they came: where their payload begins, and when they were captured.
    arrivals: Vec<(FlowId, SeqNum, Time)>,
}

/// What came of one client, in any order: it may have sent something again.
#[derive(Default)]
struct Stream {
    /// Where the bytes after the SYN begin.
    start: Option<SeqNum>,
    pieces: Vec<(SeqNum, Vec<u8>)>,
    ended: bool,
    /// The readers it came from: shards do not share streams.
    shards: Vec<usize>,
}

impl Watch {
    pub(crate) fn start(setup: &Setup) -> Self {
        setup.start().unwrap()
    }

    /// Reads until the readers have all that the kernel says it copied.
    pub(crate) fn catch_up(&mut self) -> KernelCounters {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let patience = tokio::time::timeout(Duration::from_secs(20), async {
                loop {
                    self.drain();
                    let counters = self.capture.counters().unwrap();
                    let read: u64 = self.readers.iter().map(|reader| reader.counters.read).sum();
                    if counters.copied == read {
                        return counters;
                    }
                    for reader in &mut self.readers {
                        reader.wait().await;
                    }
                }
            });
            patience.await.expect("what was copied can be read")
        })
    }

    fn drain(&mut self) {
        for (shard, reader) in self.readers.iter_mut().enumerate() {
            while reader.drain(clock::now(), FEW, |segment| {
                let arrival = (segment.flow, segment.payload_seq(), segment.at);
                self.arrivals.push(arrival);
                let stream = self.streams.entry(segment.flow).or_default();
                if segment.flags.syn() {
                    stream.start = Some(segment.payload_seq());
                }
                stream
                    .pieces
                    .push((segment.payload_seq(), segment.payload.to_vec()));
                stream.ended |= segment.flags.fin();
                stream.shards.push(shard);
            }) > 0
            {}
        }
    }

    /// The bytes of the stream from this client port at the first attachment.
    pub(crate) fn stream(&self, port: u16) -> Option<Vec<u8>> {
        self.stream_at(self.id, port)
    }

    /// The bytes of the stream from this client port.
    pub(crate) fn stream_at(&self, id: AttachmentId, port: u16) -> Option<Vec<u8>> {
        let mut found = self
            .streams
            .iter()
            .filter(|(flow, _)| flow.client.port == port && flow.attachment == id.0);
        let (_, stream) = found.next()?;
        assert!(found.next().is_none(), "two streams from port {port}");
        assert!(stream.ended, "no FIN");
        let shard = stream.shards[0];
        assert!(stream.shards.iter().all(|&other| other == shard));
        let start = stream.start.expect("a SYN");
        let place = |seq: SeqNum| usize::try_from(seq.distance_from(start)).unwrap();
        let mut pieces: Vec<_> = stream.pieces.iter().collect();
        pieces.sort_by_key(|(seq, _)| place(*seq));
        let mut whole = Vec::new();
        for (seq, bytes) in pieces {
            // Bytes sent again may overlap; a hole may not be.
            let known = whole.len().checked_sub(place(*seq)).expect("no hole");
            whole.extend_from_slice(bytes.get(known..).unwrap_or_default());
        }
        Some(whole)
    }

    /// The segments from this client port, as they came.
    pub(crate) fn arrivals(&self, port: u16) -> Vec<(SeqNum, Time)> {
        let own = self.arrivals.iter();
        own.filter(|(flow, ..)| flow.client.port == port)
            .map(|(_, seq, at)| (*seq, *at))
            .collect()
    }

    /// When all segments were captured, as they came.
    pub(crate) fn times(&self) -> impl Iterator<Item = Time> {
        self.arrivals.iter().map(|(_, _, at)| *at)
    }

    /// The flows seen.
    pub(crate) fn flows(&self) -> impl Iterator<Item = &FlowId> {
        self.streams.keys()
    }

    /// The readers that got something.
    pub(crate) fn busy_readers(&self) -> usize {
        self.readers
            .iter()
            .filter(|reader| reader.counters.read > 0)
            .count()
    }
}
