//! The two kinds of ring, as far as reading goes.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use anyhow::{Context as _, Result};
use aya::maps::{Map, MapData, RingBuf};
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_RINGBUF;
use mirror_common::record::{self, SegmentHeader};

use super::{
    fill::Fill, hurry::Hurry, locked_memory, mark::Mark, perf::PerfBuffers, reader::Batch,
};
use mirror_core::segment::Time;

/// The largest record, with room for its neighbour to be read meanwhile.
const SMALLEST: usize = 2 * (record::LARGEST + size_of::<SegmentHeader>()).next_power_of_two();
/// As large as a BPF ring's size can be told: 2 GiB.
const LARGEST: usize = 1 << 31;

/// Where records come from.
pub(super) enum Ring {
    /// One shard's BPF ring buffer.
    Bpf {
        /// The ring.
        ring: RingBuf<MapData>,
        /// What it can hold.
        bytes: usize,
        /// How much of that is taken.
        fill: Fill,
        /// What is done about it.
        hurry: Hurry,
    },
    /// The perf ring buffers of all CPUs.
    Perf(PerfBuffers),
}

impl Ring {
    /// Hands a batch of records to `handle`, and says how many they were.
    pub(super) fn read(
        &mut self,
        now: Time,
        mut batch: Batch,
        mut handle: impl FnMut(&[u8]),
    ) -> usize {
        let (ring, bytes, fill, hurry) = match self {
            Self::Bpf {
                ring,
                bytes,
                fill,
                hurry,
            } => (ring, *bytes, fill, hurry),
            Self::Perf(buffers) => return buffers.read(now, batch, handle),
        };
        hurry.look(fill.bytes(), bytes);
        let mut read = 0;
        while let Some(record) = ring.next() {
            handle(&record);
            read += 1;
            if batch.ends_with(&record) {
                break;
            }
        }
        read
    }

    /// Whether records were read that are not due yet.
    pub(super) fn withholds(&self) -> bool {
        match self {
            Self::Bpf { .. } => false,
            Self::Perf(buffers) => buffers.withholds(),
        }
    }

    /// How many bytes wait in it; of the perf ring, nobody knows without reading them.
    pub(super) fn taken(&self) -> usize {
        match self {
            Self::Bpf { fill, .. } => fill.bytes(),
            Self::Perf(_) => 0,
        }
    }

    /// What is there to be read now.
    pub(super) fn mark(&self) -> Mark {
        match self {
            Self::Bpf { fill, .. } => Mark {
                place: fill.reserved(),
                emptied: 0,
            },
            Self::Perf(buffers) => buffers.mark(),
        }
    }

    /// Whether what was there has been read.
    pub(super) fn is_past(&self, mark: Mark) -> bool {
        match self {
            Self::Bpf { fill, .. } => mark.is_behind(fill.read()),
            Self::Perf(buffers) => buffers.is_past(mark),
        }
    }

    /// The files that become readable with a record.
    pub(super) fn files(&self) -> io::Result<Vec<OwnedFd>> {
        match self {
            Self::Bpf { ring, .. } => Ok(vec![ring.as_fd().try_clone_to_owned()?]),
            Self::Perf(buffers) => buffers.files(),
        }
    }
}

/// Makes a BPF ring of `bytes` or more, whose reader is [preferred](Hurry) by `hurry` while it fills up: what programs
/// are given, and what is read.
pub(super) fn create_bpf(bytes: usize, hurry: u8) -> Result<(MapData, Ring)> {
    let bytes = size(bytes);
    let size = u32::try_from(bytes)?;
    let params = aya_obj::Map::new_from_params(BPF_MAP_TYPE_RINGBUF as u32, 0, 0, size, 0);
    let data = MapData::create(params, "podmirror_ring", None).map_err(|error| {
        let error = anyhow::Error::new(error).context(format!("creating a ring of {size} bytes"));
        locked_memory::explain(error)
    })?;
    let same = MapData::from_fd(data.fd().as_fd().try_clone_to_owned()?)?;
    let ring = RingBuf::try_from(Map::RingBuf(data))?;
    let fill = Fill::of(ring.as_fd()).context("mapping a ring's positions")?;
    let hurry = Hurry::new(hurry);
    let ring = Ring::Bpf {
        ring,
        bytes,
        fill,
        hurry,
    };
    Ok((same, ring))
}

/// The size that the kernel takes: a power of two, large enough for the largest record.
pub(super) fn size(bytes: usize) -> usize {
    bytes.clamp(SMALLEST, LARGEST).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_sizes_are_powers_of_two_within_bounds() {
        assert_eq!(size(0), 256 * 1024);
        assert_eq!(size(8 << 20), 8 << 20);
        assert_eq!(size((8 << 20) + 1), 16 << 20);
        assert_eq!(size(usize::MAX), LARGEST);
    }
}
