//! A running capture: the program loaded, its settings written, attached, and its rings opened.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use anyhow::{Context as _, Result, bail, ensure};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, MapData, PerCpuArray},
    programs::SchedClassifier,
};
use mirror_common::{
    counter::Counters,
    settings::{MAX_PORTS, MAX_SHARDS, SampleKey, Settings},
};

use super::{
    attach::{Attachment, Hook, Method},
    counters::KernelCounters,
    interface::{Interface, LinkLayer},
    kernel_log::KernelLog,
    netns::{Netns, OpenNetns},
    object::{RingKind, object},
    privilege::{Capabilities, Capability, raise_memory_lock},
    reader::RingReader,
    ring::{self, Ring},
    sleep::Sleeper,
};

/// What to capture, and how.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// The interface's name.
    pub interface: String,
    /// The network namespace that it is in; `None` for our own.
    pub netns: Option<Netns>,
    /// Which of its frames.
    pub hook: Hook,
    /// How to come to the hook.
    pub method: Method,
    /// Where filters are noted, if any are needed.
    pub notes: PathBuf,
    /// The number that its segments carry in [`FlowId::attachment`](crate::segment::FlowId).
    pub attachment: u32,
    /// Destination ports, 1 to [`MAX_PORTS`] of them.
    pub ports: Vec<u16>,
    /// How much is sampled, 0 to [`ALWAYS`](mirror_common::sample::ALWAYS).
    pub threshold: u64,
    /// What the sampling decision is taken on.
    pub sample_key: SampleKey,
    /// The kind of ring.
    pub ring: RingKind,
    /// Bytes of ring: for each shard, and with the perf ring for all CPUs together. Rounded up to
    /// a power of two, at least 256 KiB (a CPU); the kernel allocates them at once.
    pub ring_bytes: usize,
    /// Shards, 1 to [`MAX_SHARDS`]. The perf ring has one, whatever this says.
    pub shards: u32,
    /// Whether the program's own log lines are wanted; only the one for BPF rings has any.
    pub log_kernel: bool,
}

impl LiveConfig {
    /// Where filters are noted unless told otherwise.
    pub const NOTES: &str = "/run/podmirror";
    /// Bytes of ring unless told otherwise: 8 MiB, 60 ms of a saturated 1 Gbit/s.
    pub const RING_BYTES: usize = 8 * 1024 * 1024;

    /// Everything that goes to `ports` of `interface`, in one shard.
    #[must_use]
    pub fn new(interface: impl Into<String>, ports: Vec<u16>) -> Self {
        Self {
            interface: interface.into(),
            netns: None,
            hook: Hook::Ingress,
            method: Method::Auto,
            notes: Self::NOTES.into(),
            attachment: 0,
            ports,
            threshold: mirror_common::sample::ALWAYS,
            sample_key: SampleKey::Connection,
            ring: RingKind::Bpf,
            ring_bytes: Self::RING_BYTES,
            shards: 1,
            log_kernel: false,
        }
    }

    fn settings(&self, link: LinkLayer, shards: u32) -> Result<Settings> {
        let mut ports = [0; MAX_PORTS];
        ensure!(
            (1..=MAX_PORTS).contains(&self.ports.len()),
            "{} ports given, and 1 to {MAX_PORTS} can be mirrored",
            self.ports.len()
        );
        for (slot, &port) in ports.iter_mut().zip(&self.ports) {
            *slot = port;
        }
        Ok(Settings {
            threshold: self.threshold,
            ports,
            sample_key: self.sample_key as u32,
            shards,
            ethernet: u32::from(link == LinkLayer::Ethernet),
            log: u32::from(self.log_kernel),
        })
    }
}

/// [`Settings`] as aya wants map values: plain bytes.
type SettingsBytes = [u8; size_of::<Settings>()];

const fn as_bytes(settings: Settings) -> SettingsBytes {
    zerocopy::transmute!(settings)
}

/// A running capture. Dropping it detaches.
pub struct Capture {
    attachment: Attachment,
    settings: Settings,
    settings_map: Array<MapData, SettingsBytes>,
    counters: PerCpuArray<MapData, Counters>,
    _log: Option<KernelLog>,
}

impl Capture {
    /// Loads the program, opens its rings and attaches it, in this order: the first segment that
    /// it sees finds all it needs.
    ///
    /// # Errors
    ///
    /// If the namespace or the interface is missing (the message names those that exist), a
    /// capability is missing, or the kernel refuses the program.
    pub fn start(config: &LiveConfig) -> Result<(Self, Vec<RingReader>)> {
        let netns = match &config.netns {
            Some(netns) => netns.open()?,
            None => OpenNetns::current()?,
        };
        let interface = netns.run(|| Interface::find(&config.interface))?;
        let link = interface.link_layer()?;
        demand_capabilities(config.ring)?;
        raise_memory_lock();

        let mut ebpf = EbpfLoader::new()
            .override_global("ATTACHMENT", &config.attachment, true)
            .load(object(config.ring)?)
            .context("loading the kernel program's maps")?;
        let readers = open_readers(&mut ebpf, config)?;
        let mut settings_map = Array::try_from(take(&mut ebpf, "SETTINGS")?)?;
        let settings = config.settings(link, u32::try_from(readers.len())?)?;
        settings_map.set(0, as_bytes(settings), 0)?;
        let counters = PerCpuArray::try_from(take(&mut ebpf, "COUNTERS")?)?;
        let log = match (config.log_kernel, config.ring) {
            (false, _) => None,
            (true, RingKind::Bpf) => Some(KernelLog::start(&mut ebpf)?),
            (true, RingKind::Perf) => {
                log::warn!("the program for the perf ring has no log: aya-log needs a BPF ring");
                None
            }
        };

        let program: &mut SchedClassifier = ebpf
            .program_mut("mirror")
            .context("the object has no program `mirror`")?
            .try_into()?;
        program.load().context("loading the kernel program")?;
        let attachment = Attachment::new(
            netns,
            &interface,
            config.hook,
            config.method,
            &config.notes,
            program,
        )?;
        let capture = Self {
            attachment,
            settings,
            settings_map,
            counters,
            _log: log,
        };
        Ok((capture, readers))
    }

    /// Whether it is attached by tcx, and so goes with the process even when that is killed.
    #[must_use]
    pub const fn is_tcx(&self) -> bool {
        self.attachment.is_tcx()
    }

    /// Changes how much is sampled, from the next segment on: 0 (nothing) to
    /// [`ALWAYS`](mirror_common::sample::ALWAYS).
    ///
    /// # Errors
    ///
    /// If the map can't be written; then the old value stays.
    pub fn set_threshold(&mut self, threshold: u64) -> Result<()> {
        let settings = Settings {
            threshold,
            ..self.settings
        };
        self.settings_map
            .set(0, as_bytes(settings), 0)
            .context("writing the kernel program's settings")?;
        self.settings = settings;
        Ok(())
    }

    /// What the program has counted so far, over all CPUs.
    ///
    /// # Errors
    ///
    /// If the map can't be read.
    pub fn counters(&self) -> Result<KernelCounters> {
        let cpus = self
            .counters
            .get(&0, 0)
            .context("reading the kernel program's counters")?;
        let mut sum = KernelCounters::default();
        for cpu in cpus.iter() {
            sum += KernelCounters::from(cpu);
        }
        Ok(sum)
    }

    /// Detaches, if it is still attached. The counters, and what is in the rings, can be read on.
    ///
    /// # Errors
    ///
    /// If a filter can't be deleted; the next start tries again.
    pub fn detach(&mut self) -> Result<()> {
        self.attachment.detach()
    }
}

fn take(ebpf: &mut Ebpf, map: &str) -> Result<aya::maps::Map> {
    ebpf.take_map(map)
        .with_context(|| format!("the object has no map `{map}`"))
}

fn open_readers(ebpf: &mut Ebpf, config: &LiveConfig) -> Result<Vec<RingReader>> {
    if config.ring == RingKind::Perf {
        return Ok(vec![reader(
            ring::open_perf(ebpf, config.ring_bytes)?,
            None,
        )?]);
    }
    ensure!(
        (1..=u32::try_from(MAX_SHARDS)?).contains(&config.shards),
        "{} shards asked for, and 1 to {MAX_SHARDS} can be had",
        config.shards
    );
    let flags = Arc::new(Mutex::new(ring::sleeping(ebpf)?));
    ring::open_bpf(ebpf, config.shards, config.ring_bytes)?
        .into_iter()
        .zip(0..)
        .map(|(ring, shard)| reader(ring, Some((Arc::clone(&flags), shard))))
        .collect()
}

fn reader(ring: Ring, flag: Option<(super::sleep::Flags, u32)>) -> Result<RingReader> {
    let sleeper = Sleeper::new(ring.files()?, flag);
    Ok(RingReader::new(ring, sleeper))
}

/// Says what is missing before the kernel says `EPERM` to one thing or another.
fn demand_capabilities(ring: RingKind) -> Result<()> {
    let wanted: &[Capability] = match ring {
        RingKind::Bpf => &[Capability::Bpf, Capability::NetAdmin],
        RingKind::Perf => &[Capability::Bpf, Capability::NetAdmin, Capability::Perfmon],
    };
    let missing = Capabilities::effective().missing(wanted);
    if !missing.is_empty() {
        bail!(
            "no permission to capture: {} missing (run as root, or grant it; `podmirror check` tells more)",
            missing.join(" and ")
        );
    }
    Ok(())
}
