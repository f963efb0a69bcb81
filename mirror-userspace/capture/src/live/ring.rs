//! The two kinds of ring, as far as reading goes.

use std::{
    io,
    ops::ControlFlow,
    os::fd::{AsFd as _, OwnedFd},
};

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf,
    maps::{
        Map, MapData, PerfEventArray, RingBuf,
        perf::{PerfEvent, PerfEventArrayBuffer},
    },
    util::online_cpus,
};
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_RINGBUF;
use mirror_common::record::{SIZE_CLASSES, SegmentHeader};

use super::{reader::Batch, wakeups::Flags};

/// The largest record, with room for its neighbour to be read meanwhile.
const SMALLEST: usize = 2 * (SIZE_CLASSES[3] + size_of::<SegmentHeader>()).next_power_of_two();
/// As large as a BPF ring's size can be told: 2 GiB.
const LARGEST: usize = 1 << 31;
const PAGE: usize = 4096;

/// Where records come from.
pub(super) enum Ring {
    /// One shard's BPF ring buffer.
    Bpf(RingBuf<MapData>),
    /// The perf ring buffers of all CPUs.
    Perf {
        buffers: Vec<PerfEventArrayBuffer<MapData>>,
        /// The buffer to begin with: all get their turn when the budget is short.
        first: usize,
        /// Where a record is put together that the end of its buffer split.
        joined: Vec<u8>,
    },
}

impl Ring {
    /// Hands a batch of records to `handle`, and says how many they were.
    pub(super) fn read(&mut self, mut batch: Batch, mut handle: impl FnMut(&[u8])) -> usize {
        let mut read = 0;
        let mut take = |record: &[u8]| {
            handle(record);
            read += 1;
            batch.ends_with(record)
        };
        match self {
            Self::Bpf(ring) => while ring.next().is_some_and(|record| !take(&record)) {},
            Self::Perf {
                buffers,
                first,
                joined,
            } => {
                let cpus = buffers.len();
                for cpu in (0..cpus).map(|turn| (*first + turn) % cpus) {
                    if let Some(buffer) = buffers.get_mut(cpu)
                        && read_cpu(buffer, joined, &mut take)
                    {
                        *first = cpu + 1;
                        break;
                    }
                }
            }
        }
        read
    }

    /// The bytes that the rings have, which were asked to have `bytes`.
    pub(super) fn size(&self, bytes: usize) -> usize {
        match self {
            Self::Bpf(_) => ring_size(bytes),
            Self::Perf { buffers, .. } => buffers.len() * size_of_each(bytes, buffers.len()),
        }
    }

    /// The files that become readable with a record.
    pub(super) fn files(&self) -> io::Result<Vec<OwnedFd>> {
        match self {
            Self::Bpf(ring) => Ok(vec![ring.as_fd().try_clone_to_owned()?]),
            Self::Perf { buffers, .. } => buffers
                .iter()
                .map(|buffer| buffer.as_fd().try_clone_to_owned())
                .collect(),
        }
    }
}

/// Reads one CPU's buffer until `take` says that a record was the last; whether it did.
///
/// What the kernel says of lost records is skipped: the program has counted each as `ring_full`.
fn read_cpu(
    buffer: &mut PerfEventArrayBuffer<MapData>,
    joined: &mut Vec<u8>,
    take: &mut impl FnMut(&[u8]) -> bool,
) -> bool {
    let read = buffer.try_fold((), |(), event| {
        let PerfEvent::Sample { head, tail } = event else {
            return ControlFlow::Continue(());
        };
        let last = if tail.is_empty() {
            take(head)
        } else {
            joined.clear();
            joined.extend_from_slice(head);
            joined.extend_from_slice(tail);
            take(joined)
        };
        if last {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    read.is_break()
}

/// Makes a BPF ring of `bytes` or more: what programs are given, and what is read.
pub(super) fn create_bpf(bytes: usize) -> Result<(MapData, Ring)> {
    let size = u32::try_from(ring_size(bytes))?;
    let params = aya_obj::Map::new_from_params(BPF_MAP_TYPE_RINGBUF as u32, 0, 0, size, 0);
    let data = MapData::create(params, "podmirror_ring", None)
        .with_context(|| format!("creating a ring of {size} bytes"))?;
    let same = MapData::from_fd(data.fd().as_fd().try_clone_to_owned()?)?;
    Ok((same, Ring::Bpf(RingBuf::try_from(Map::RingBuf(data))?)))
}

/// The flags of readers that sleep; only BPF rings have them.
pub(super) fn sleeping(ebpf: &mut Ebpf) -> Result<Flags> {
    let flags = ebpf
        .take_map("SLEEPING")
        .context("the program has no wakeup flags")?;
    Ok(Flags::try_from(flags)?)
}

/// Opens the perf buffer of each CPU that is online, `bytes` together. A CPU that comes online
/// later has none: its segments count as `ring_full`.
pub(super) fn open_perf(ebpf: &mut Ebpf, bytes: usize) -> Result<Ring> {
    let events = ebpf
        .take_map("EVENTS")
        .context("the program has no perf events")?;
    let mut events: PerfEventArray<MapData> = events.try_into()?;
    let cpus = online_cpus().map_err(|(path, error)| anyhow!("{path}: {error}"))?;
    let pages = size_of_each(bytes, cpus.len()) / PAGE;
    let buffers = cpus
        .into_iter()
        .map(|cpu| {
            events
                .open(cpu, Some(pages))
                .with_context(|| format!("opening a perf buffer of {pages} pages for CPU {cpu}"))
        })
        .collect::<Result<_>>()?;
    Ok(Ring::Perf {
        buffers,
        first: 0,
        joined: Vec::new(),
    })
}

/// The size of each of the perf buffers that have `bytes` together.
fn size_of_each(bytes: usize, cpus: usize) -> usize {
    ring_size(bytes / cpus.max(1))
}

/// The size that the kernel takes: a power of two, large enough for the largest record.
fn ring_size(bytes: usize) -> usize {
    bytes.clamp(SMALLEST, LARGEST).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_sizes_are_powers_of_two_within_bounds() {
        assert_eq!(ring_size(0), 256 * 1024);
        assert_eq!(ring_size(8 << 20), 8 << 20);
        assert_eq!(ring_size((8 << 20) + 1), 16 << 20);
        assert_eq!(ring_size(usize::MAX), LARGEST);
    }
}
