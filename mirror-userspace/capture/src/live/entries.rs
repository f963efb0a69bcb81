//! What the maps of a program hold for one attachment.

use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf,
    maps::{Array, Map, MapData, PerCpuArray, PerCpuValues},
    util::nr_cpus,
};
use mirror_common::{
    counter::{COUNTERS, Counters, slot},
    settings::{MAX_PORTS, Settings},
};
use mirror_core::counters::KernelCounters;

/// [`Settings`] as aya wants map values: plain bytes.
type SettingsBytes = [u8; size_of::<Settings>()];

/// Settings in, counters out. Handles of its own: nobody else is kept waiting.
pub(super) struct Entries {
    seat: u32,
    settings: Array<MapData, SettingsBytes>,
    counters: PerCpuArray<MapData, Counters>,
    answered: Array<MapData, u32>,
}

impl Entries {
    /// Those of a seat, as the last one left them.
    pub(super) fn of(ebpf: &Ebpf, seat: u32) -> Result<Self> {
        Ok(Self {
            seat,
            settings: Array::try_from(Map::Array(share(ebpf, "SETTINGS")?))?,
            counters: PerCpuArray::try_from(Map::PerCpuArray(share(ebpf, "COUNTERS")?))?,
            answered: Array::try_from(Map::Array(share(ebpf, "ANSWERED")?))?,
        })
    }

    /// Forgets all counts, and which ports had connections.
    pub(super) fn clear(&mut self) -> Result<()> {
        let cpus = nr_cpus().map_err(|(path, error)| anyhow::anyhow!("{path}: {error}"))?;
        for slot in 0..u32::try_from(slot::SLOTS)? {
            let zeroed = PerCpuValues::try_from(vec![[0; COUNTERS]; cpus])?;
            let at = self.counters_at(slot);
            self.counters
                .set(at, zeroed, 0)
                .context("writing the kernel program's counters")?;
        }
        (0..MAX_PORTS).try_for_each(|port| self.answer(port, 0))
    }

    pub(super) fn write(&mut self, settings: Settings) -> Result<()> {
        let bytes: SettingsBytes = zerocopy::transmute!(settings);
        self.settings
            .set(self.seat, bytes, 0)
            .context("writing the kernel program's settings")
    }

    /// The port at this place of the settings has had a connection.
    pub(super) fn note_answer(&mut self, port: usize) -> Result<()> {
        self.answer(port, 1)
    }

    fn answer(&mut self, port: usize, value: u32) -> Result<()> {
        let at = self.seat as usize * MAX_PORTS + port;
        self.answered
            .set(u32::try_from(at)?, value, 0)
            .context("writing the kernel program's settings")
    }

    /// What has been counted in this direction, over all CPUs.
    pub(super) fn counters(&self, slot: u32) -> Result<KernelCounters> {
        let cpus = self
            .counters
            .get(&self.counters_at(slot), 0)
            .context("reading the kernel program's counters")?;
        let mut sum = KernelCounters::default();
        for cpu in cpus.iter() {
            sum += &KernelCounters::from(cpu);
        }
        Ok(sum)
    }

    fn counters_at(&self, slot: u32) -> u32 {
        let slots = u32::try_from(slot::SLOTS).unwrap_or(u32::MAX);
        self.seat.saturating_mul(slots).saturating_add(slot)
    }
}

/// Another handle of a map.
pub(super) fn share(ebpf: &Ebpf, name: &str) -> Result<MapData> {
    let map = ebpf.map(name);
    let map = map.with_context(|| format!("the object has no map `{name}`"))?;
    let (Map::Array(data) | Map::PerCpuArray(data) | Map::ArrayOfMaps(data)) = map else {
        bail!("map `{name}` is of another type");
    };
    Ok(MapData::from_fd(data.fd().as_fd().try_clone_to_owned()?)?)
}
