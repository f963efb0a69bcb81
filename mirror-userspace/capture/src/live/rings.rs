//! The rings of a process or of one mirror: made once, fed by the programs of all attachments of all
//! [captures](super::Capture) that share them.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use anyhow::{Result, bail, ensure};
use aya::{Ebpf, maps::MapData};
use mirror_common::settings::MAX_SHARDS;

use super::{
    attach::abandoned::delete_everywhere,
    config::{AttachmentId, LiveConfig},
    kernel_log::KernelLog,
    loader::Loader,
    locked_memory,
    object::RingKind,
    perf::{Events, Joined, PerfBuffers},
    privilege,
    programs::{Programs, Row, Seat, Set, put},
    reader::RingReader,
    ring::{self, Ring},
    sleep::Sleeper,
    wakeups::{self, Flags, Wakeups},
};

/// Rings, for any number of [captures](super::Capture). They are gone with the last of these and with
/// their readers.
#[derive(Clone)]
pub struct Rings(Arc<Shared>);

struct Shared {
    kind: Mutex<Kind>,
    shards: u32,
    /// The next attachment's number: one space for all captures, as records are told apart by it.
    next: AtomicU32,
}

/// What a program must be given to feed the rings.
enum Kind {
    /// BPF rings, by shard, that any number of programs write to.
    Bpf(Box<BpfRings>),
    /// Perf rings, by CPU, that any number of programs write to.
    Perf {
        loader: Box<Loader>,
        events: Events,
        programs: Programs,
        joined: Vec<Joined>,
    },
}

/// BPF rings, and who feeds them.
pub(super) struct BpfRings {
    loader: Loader,
    rings: Vec<MapData>,
    wakeups: Wakeups,
    /// Where they are in sets of programs.
    rows: Vec<(Row, wakeups::Joined)>,
    /// The programs of ports that receive copies.
    taps: Vec<(AttachmentId, wakeups::Joined)>,
}

impl Rings {
    /// Makes the rings, and a reader for each shard. Nothing feeds them yet.
    ///
    /// Of `config`, what is looked at is the kind of ring, its bytes, how much its readers hurry, the number of shards,
    /// whether the programs log, and where killed processes noted filters; these are deleted, and failures logged.
    ///
    /// # Errors
    ///
    /// If a capability is missing, or the kernel refuses a ring.
    pub fn open(config: &LiveConfig) -> Result<(Self, Vec<RingReader>)> {
        privilege::demand(config.ring)?;
        delete_everywhere(&config.notes, &config.proc);
        locked_memory::raise(config.ring);
        let (kind, readers) = match config.ring {
            RingKind::Bpf => open_bpf(config)?,
            RingKind::Perf => open_perf(config)?,
        };
        let shared = Shared {
            kind: Mutex::new(kind),
            shards: u32::try_from(readers.len())?,
            next: AtomicU32::new(0),
        };
        Ok((Self(Arc::new(shared)), readers))
    }

    /// A number that no attachment has had.
    pub(super) fn number(&self) -> AttachmentId {
        AttachmentId(self.0.next.fetch_add(1, Ordering::Relaxed))
    }

    /// How many shards share them.
    pub(super) fn shards(&self) -> u32 {
        self.0.shards
    }

    /// A seat in programs that feed these rings; and the number of the first of them there.
    pub(super) fn seat(&self, config: &LiveConfig) -> Result<(Seat, u32)> {
        match &mut *self.kind() {
            Kind::Bpf(bpf) => bpf.seat(config),
            // The kernel wakes whoever watches a perf ring.
            Kind::Perf {
                loader,
                events,
                programs,
                joined,
            } => {
                let load = || {
                    if config.log_kernel {
                        log::warn!(
                            "the program for the perf ring has no log: aya-log needs a BPF ring"
                        );
                    }
                    let mut ebpf = loader.load()?;
                    joined.push(events.join(&mut ebpf)?);
                    Set::new(ebpf, None)
                };
                programs.seat(|_| true, load, |seat| Ok((seat, 0)))
            }
        }
    }

    /// The object for a port that receives copies, its maps made and its rings in their places.
    pub(super) fn load_tap(&self) -> Result<Ebpf> {
        let Kind::Bpf(bpf) = &mut *self.kind() else {
            bail!("--attach xdp feeds BPF rings only: use --ring bpf");
        };
        let mut ebpf = bpf.loader.load_tap()?;
        put(&mut ebpf, 0, &bpf.rings)?;
        Ok(ebpf)
    }

    /// Has the program of such a port wake readers that sleep. To be called before it sees a segment.
    pub(super) fn join_tap(&self, id: AttachmentId, ebpf: &Ebpf) -> Result<()> {
        if let Kind::Bpf(bpf) = &mut *self.kind() {
            let joined = bpf.wakeups.join(Flags::of(ebpf, 0)?)?;
            bpf.taps.push((id, joined));
        }
        Ok(())
    }

    /// The attachment is gone: if it had a program of its own, that wakes nobody any more.
    pub(super) fn leave(&self, id: AttachmentId) {
        let Kind::Bpf(bpf) = &mut *self.kind() else {
            return;
        };
        let BpfRings { taps, wakeups, .. } = &mut **bpf;
        taps.retain(|&(tap, joined)| {
            if tap == id {
                wakeups.leave(joined);
            }
            tap != id
        });
    }

    /// A panic under the lock leaves lists that are whole, so poison is ignored.
    fn kind(&self) -> MutexGuard<'_, Kind> {
        self.0.kind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BpfRings {
    fn seat(&mut self, config: &LiveConfig) -> Result<(Seat, u32)> {
        let Self {
            loader,
            rings,
            wakeups,
            rows,
            ..
        } = self;
        let load = || {
            let mut ebpf = loader.load()?;
            let log = match config.log_kernel {
                true => Some(KernelLog::start(&mut ebpf)?),
                false => None,
            };
            Set::new(ebpf, log)
        };
        let had: Vec<_> = rows.iter().map(|(row, _)| Arc::clone(row.set())).collect();
        let has_row = |set: &Arc<Set>| had.iter().any(|other| Arc::ptr_eq(other, set));
        let suits =
            |set: &Arc<Set>| set.logs() == config.log_kernel && (has_row(set) || set.has_row());
        config.programs.seat(suits, load, |seat| {
            let of_set = rows
                .iter()
                .find(|(row, _)| Arc::ptr_eq(row.set(), seat.set()));
            if let Some((row, _)) = of_set {
                let first = row.first()?;
                return Ok((seat, first));
            }
            let row = Row::take(seat.set(), rings)?;
            let first = row.first()?;
            let joined = wakeups.join(row.flags()?)?;
            rows.push((row, joined));
            Ok((seat, first))
        })
    }
}

impl Drop for BpfRings {
    fn drop(&mut self) {
        for (_, joined) in &self.rows {
            self.wakeups.leave(*joined);
        }
    }
}

fn open_bpf(config: &LiveConfig) -> Result<(Kind, Vec<RingReader>)> {
    ensure!(
        (1..=u32::try_from(MAX_SHARDS)?).contains(&config.shards),
        "{} shards asked for, and 1 to {MAX_SHARDS} can be had",
        config.shards
    );
    // Before the rings, which are the most memory that there is: not both at once.
    let loader = Loader::new(config)?;
    let wakeups = Wakeups::default();
    let mut rings = Vec::new();
    let mut readers = Vec::new();
    for shard in 0..config.shards {
        let (map, ring) = ring::create_bpf(config.ring_bytes, config.hurry)?;
        let sleeper = Sleeper::new(
            ring.files()?,
            config.ring_bytes,
            Some((wakeups.clone(), shard)),
        );
        rings.push(map);
        readers.push(RingReader::new(ring, sleeper));
    }
    let rings = BpfRings {
        loader,
        rings,
        wakeups,
        rows: Vec::new(),
        taps: Vec::new(),
    };
    Ok((Kind::Bpf(Box::new(rings)), readers))
}

fn open_perf(config: &LiveConfig) -> Result<(Kind, Vec<RingReader>)> {
    let loader = Box::new(Loader::new(config)?);
    let (buffers, events) = PerfBuffers::open(config.ring_bytes)?;
    let ring = Ring::Perf(buffers);
    let sleeper = Sleeper::new(ring.files()?, config.ring_bytes, None);
    let readers = vec![RingReader::new(ring, sleeper)];
    let kind = Kind::Perf {
        loader,
        events,
        programs: Programs::default(),
        joined: Vec::new(),
    };
    Ok((kind, readers))
}
