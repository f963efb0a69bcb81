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
    perf::{Events, Joined, PerfBuffers},
    reader::RingReader,
    ring::{self, Ring},
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
    /// Perf rings, by CPU, that any number of programs write to.
    Perf {
        loader: Box<Loader>,
        events: Events,
        programs: Vec<(AttachmentId, Joined)>,
    },
}

impl Rings {
    /// Makes the rings, and a reader for each shard.
    pub(super) fn open(config: &LiveConfig) -> Result<(Self, Vec<RingReader>)> {
        match config.ring {
            RingKind::Bpf => open_bpf(config),
            RingKind::Perf => open_perf(config),
        }
    }

    /// How many shards share them.
    pub(super) fn shards(&self) -> Result<u32> {
        match self {
            Self::Bpf { rings, .. } => Ok(u32::try_from(rings.len())?),
            Self::Perf { .. } => Ok(1),
        }
    }

    /// The object of a new attachment, to a port that receives copies or another, its maps made and
    /// its rings in their places.
    pub(super) fn load(&mut self, tap: bool) -> Result<Ebpf> {
        match self {
            Self::Bpf { loader, rings, .. } => {
                let mut ebpf = if tap {
                    loader.load_tap()
                } else {
                    loader.load()
                }?;
                let map = ebpf.map_mut("RINGS").context("the program has no rings")?;
                let mut places: ArrayOfMaps<_, MapData> = ArrayOfMaps::try_from(map)?;
                for (shard, ring) in (0..).zip(rings.iter()) {
                    places.set(shard, ring, 0)?;
                }
                Ok(ebpf)
            }
            Self::Perf { .. } if tap => bail!("--attach xdp feeds BPF rings only: use --ring bpf"),
            Self::Perf { loader, .. } => loader.load(),
        }
    }

    /// Has the program wake readers that sleep, or gives it its rings if those are by CPU. To be
    /// called before it sees a segment.
    pub(super) fn join(&mut self, id: AttachmentId, ebpf: &mut Ebpf) -> Result<()> {
        match self {
            Self::Bpf { wakeups, .. } => wakeups.join(id, ring::sleeping(ebpf)?),
            // The kernel wakes whoever watches a perf ring.
            Self::Perf {
                events, programs, ..
            } => {
                programs.push((id, events.join(ebpf)?));
                Ok(())
            }
        }
    }

    /// The program writes no more.
    pub(super) fn leave(&mut self, id: AttachmentId) {
        match self {
            Self::Bpf { wakeups, .. } => wakeups.leave(id),
            Self::Perf { programs, .. } => programs.retain(|(other, _)| *other != id),
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
        readers.push(RingReader::new(ring, sleeper));
    }
    let rings = Rings::Bpf {
        loader,
        rings,
        wakeups,
    };
    Ok((rings, readers))
}

fn open_perf(config: &LiveConfig) -> Result<(Rings, Vec<RingReader>)> {
    let loader = Box::new(Loader::new(config)?);
    let (buffers, events) = PerfBuffers::open(config.ring_bytes)?;
    let ring = Ring::Perf(buffers);
    let sleeper = Sleeper::new(ring.files()?, None);
    let readers = vec![RingReader::new(ring, sleeper)];
    let rings = Rings::Perf {
        loader,
        events,
        programs: Vec::new(),
    };
    Ok((rings, readers))
}
