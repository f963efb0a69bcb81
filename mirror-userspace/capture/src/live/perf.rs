//! The perf ring buffers of all CPUs, read as one.

use std::{
    io,
    ops::ControlFlow,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd},
};

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf,
    maps::{
        Array, Map, MapData, PerfEventArray,
        perf::{PerfBufferError, PerfEvent, PerfEventArrayBuffer},
    },
    util::online_cpus,
};
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_PERF_EVENT_ARRAY;

use super::{locked_memory, mark::Mark, merge::Merge, reader::Batch, ring};
use mirror_core::segment::Time;

const PAGE: usize = 4096;

/// A CPU's buffer.
type Buffer = PerfEventArrayBuffer<MapData>;

/// The buffers' reading end.
pub(super) struct PerfBuffers {
    buffers: Vec<Buffer>,
    merge: Merge,
    /// Bytes of all buffers.
    bytes: usize,
    /// Bytes of records that were handed over.
    taken: usize,
    /// How often nothing was left.
    emptied: usize,
}

impl PerfBuffers {
    /// Opens the buffer of each CPU that is online, `bytes` together. A CPU that comes online later
    /// has none: its segments count as `ring_full`.
    pub(super) fn open(bytes: usize) -> Result<(Self, Events)> {
        let cpus = online_cpus().map_err(|(path, error)| anyhow!("{path}: {error}"))?;
        // A buffer is opened into a map; this one is no program's.
        let entries = cpus.iter().max().map_or(1, |last| last + 1);
        let kind = BPF_MAP_TYPE_PERF_EVENT_ARRAY as u32;
        let params = aya_obj::Map::new_from_params(kind, 4, 4, entries, 0);
        let map = MapData::create(params, "podmirror_perf", None)
            .context("creating the map of the perf buffers")?;
        let mut map = PerfEventArray::try_from(Map::PerfEventArray(map))?;
        let each = ring::size(bytes / cpus.len().max(1));
        let count = cpus.len();
        let total = each * count;
        let mut buffers = Vec::new();
        let mut events = Vec::new();
        for cpu in cpus {
            let buffer = map
                .open(cpu, Some(each / PAGE))
                .map_err(|error| refused(error, cpu, total, count))?;
            events.push((cpu, buffer.as_fd().try_clone_to_owned()?));
            buffers.push(buffer);
        }
        let merge = Merge::new(buffers.len());
        let bytes = total;
        let buffers = Self {
            buffers,
            merge,
            bytes,
            taken: 0,
            emptied: 0,
        };
        Ok((buffers, Events(events)))
    }

    /// What is there to be read now: it is no more than there is room for.
    pub(super) fn mark(&self) -> Mark {
        let most = self.bytes + self.merge.capacity();
        Mark {
            place: self.taken.wrapping_add(most),
            emptied: self.emptied,
        }
    }

    /// Whether what was there has been read.
    pub(super) fn is_past(&self, mark: Mark) -> bool {
        self.emptied != mark.emptied || mark.is_behind(self.taken)
    }

    /// Hands those of a batch of records to `take` that are due, and says how many they were.
    ///
    /// What the kernel says of lost records is skipped: the program has counted each as `ring_full`.
    pub(super) fn read(
        &mut self,
        now: Time,
        mut batch: Batch,
        mut take: impl FnMut(&[u8]),
    ) -> usize {
        let mut read = 0;
        loop {
            self.fill(now);
            let Some(record) = self.merge.next() else {
                if self.merge.is_empty() {
                    self.emptied = self.emptied.wrapping_add(1);
                }
                return read;
            };
            self.taken = self.taken.wrapping_add(record.len());
            take(record);
            read += 1;
            if batch.ends_with(record) {
                return read;
            }
        }
    }

    /// Whether records were read that are not due yet.
    pub(super) fn withholds(&self) -> bool {
        !self.merge.is_empty()
    }

    /// The files that become readable with a record.
    pub(super) fn files(&self) -> io::Result<Vec<OwnedFd>> {
        let files = self.buffers.iter();
        files
            .map(|file| file.as_fd().try_clone_to_owned())
            .collect()
    }

    /// Reads those CPUs' buffers of which nothing is held.
    fn fill(&mut self, now: Time) {
        let merge = &mut self.merge;
        for (cpu, buffer) in self.buffers.iter_mut().enumerate() {
            if !merge.wants(cpu, now) {
                continue;
            }
            let filled = buffer.try_fold((), |(), event| match event {
                PerfEvent::Sample { head, tail } if !merge.put(cpu, now, (head, tail)) => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            });
            if filled.is_continue() {
                merge.is_exhausted(cpu, now);
            }
        }
    }
}

/// The buffers' writing end, by CPU: any number of programs may have it.
pub(super) struct Events(Vec<(u32, OwnedFd)>);

/// The map of the buffers that programs write to. They lose them when this is dropped.
pub(super) struct Joined(
    #[expect(dead_code, reason = "held to stay joined")] Array<MapData, RawFd>,
);

impl Events {
    /// Has programs write to the buffers.
    pub(super) fn join(&self, ebpf: &mut Ebpf) -> Result<Joined> {
        let map = ebpf.take_map("EVENTS");
        let Some(Map::PerfEventArray(map)) = map else {
            return Err(anyhow!("the program has no perf events"));
        };
        // To whoever fills it, it is an array of file descriptors.
        let mut map: Array<_, RawFd> = Array::try_from(Map::Array(map))?;
        for (cpu, buffer) in &self.0 {
            map.set(*cpu, buffer.as_raw_fd(), 0)
                .with_context(|| format!("giving the program the perf buffer of CPU {cpu}"))?;
        }
        Ok(Joined(map))
    }
}

fn refused(error: PerfBufferError, cpu: u32, total: usize, cpus: usize) -> anyhow::Error {
    let too_much = matches!(&error, PerfBufferError::MMapError { io_error }
        if io_error.kind() == io::ErrorKind::PermissionDenied);
    let error = anyhow::Error::new(error).context(format!(
        "opening the perf buffer of CPU {cpu}, {total} bytes for all"
    ));
    if too_much {
        error.context(locked_memory::perf_remedy(total, cpus))
    } else {
        error
    }
}
