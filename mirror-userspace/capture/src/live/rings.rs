//! The rings of a capture: made once, fed by the programs of all its attachments.

use anyhow::{Context as _, Result, bail, ensure};
use aya::{
    Ebpf,
    maps::{ArrayOfMaps, MapData},
};
use mirror_common::settings::MAX_SHARDS;

use super::{
    config::{AttachmentId, LiveConfig},
    loader::Loader,
    object::RingKind,
    reader::RingReader,
    ring,
    sleep::Sleeper,
    wakeups::Wakeups,
};

/// What a program must be given to feed the rings.
pub(super) enum Rings {
    /// BPF rings, by shard, that any number of programs write to.
    Bpf {
        loader: Box<Loader>,
        rings: Vec<MapData>,
        wakeups: Wakeups,
    },
    /// Perf rings are opened into the map of the one program that writes to them; `None` once an
    /// attachment has it.
    Perf(Option<Box<Ebpf>>),
}

impl Rings {
    /// Makes the rings, and a reader for each shard.
    pub(super) fn open(config: &LiveConfig) -> Result<(Self, Vec<RingReader>)> {
        match config.ring {
            RingKind::Bpf => open_bpf(config),
            RingKind::Perf => {
                let mut ebpf = Loader::new(config)?.load()?;
                let ring = ring::open_perf(&mut ebpf, config.ring_bytes)?;
                let sleeper = Sleeper::new(ring.files()?, None);
                let bytes = ring.size(config.ring_bytes);
                let reader = RingReader::new(ring, sleeper, bytes);
                Ok((Self::Perf(Some(Box::new(ebpf))), vec![reader]))
            }
        }
    }

    /// How many shards share them.
    pub(super) fn shards(&self) -> Result<u32> {
        match self {
            Self::Bpf { rings, .. } => Ok(u32::try_from(rings.len())?),
            Self::Perf(_) => Ok(1),
        }
    }

    /// The object of a new attachment, its maps made and its rings in their places.
    pub(super) fn load(&mut self) -> Result<Ebpf> {
        match self {
            Self::Bpf { loader, rings, .. } => {
                let mut ebpf = loader.load()?;
                let map = ebpf.map_mut("RINGS").context("the program has no rings")?;
                let mut places: ArrayOfMaps<_, MapData> = ArrayOfMaps::try_from(map)?;
                for (shard, ring) in (0..).zip(rings.iter()) {
                    places.set(shard, ring, 0)?;
                }
                Ok(ebpf)
            }
            Self::Perf(ebpf) => match ebpf.take() {
                Some(ebpf) => Ok(*ebpf),
                None => {
                    bail!("the perf ring serves one attachment, and has had it: use --ring bpf")
                }
            },
        }
    }

    /// Has the program wake readers that sleep. To be called before it sees a segment.
    pub(super) fn join(&self, id: AttachmentId, ebpf: &mut Ebpf) -> Result<()> {
        match self {
            Self::Bpf { wakeups, .. } => wakeups.join(id, ring::sleeping(ebpf)?),
            // The kernel wakes whoever watches a perf ring.
            Self::Perf(_) => Ok(()),
        }
    }

    /// The program writes no more.
    pub(super) fn leave(&self, id: AttachmentId) {
        if let Self::Bpf { wakeups, .. } = self {
            wakeups.leave(id);
        }
    }
}

fn open_bpf(config: &LiveConfig) -> Result<(Rings, Vec<RingReader>)> {
    ensure!(
        (1..=u32::try_from(MAX_SHARDS)?).contains(&config.shards),
        "{} shards asked for, and 1 to {MAX_SHARDS} can be had",
        config.shards
    );
    // Before the rings, which are the most memory that there is: not both at once.
    let loader = Box::new(Loader::new(config)?);
    let wakeups = Wakeups::default();
    let mut rings = Vec::new();
    let mut readers = Vec::new();
    for shard in 0..config.shards {
        let (map, ring) = ring::create_bpf(config.ring_bytes)?;
        let sleeper = Sleeper::new(ring.files()?, Some((wakeups.clone(), shard)));
        rings.push(map);
        let bytes = ring.size(config.ring_bytes);
        readers.push(RingReader::new(ring, sleeper, bytes));
    }
    let rings = Rings::Bpf {
        loader,
        rings,
        wakeups,
    };
    Ok((rings, readers))
}
