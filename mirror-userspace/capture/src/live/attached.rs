//! One attachment: a program with settings, counters and flags of its own, at its place.

use std::io::ErrorKind;

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{Array, Map, MapData, PerCpuArray},
    programs::{Program, ProgramError, SchedClassifier, Xdp},
    util::KernelVersion,
};
use mirror_common::{
    counter::{Counters, slot},
    settings::{Settings, TapSettings},
};
use mirror_core::{counters::KernelCounters, policy::KernelSampling};

use super::{
    attach::Attachment,
    config::{AttachmentId, LiveConfig, Place},
    kernel_log::KernelLog,
    loader::Loader,
    netlink::{Interface, is_connected},
    object::RingKind,
    refusal,
    rings::Rings,
};

/// How often a program is loaded while signals come in between.
const LOAD_ATTEMPTS: usize = 5;

/// [`Settings`] as aya wants map values: plain bytes.
type SettingsBytes = [u8; size_of::<Settings>()];

const fn as_bytes(settings: Settings) -> SettingsBytes {
    zerocopy::transmute!(settings)
}

/// A program at its place, or two at its two hooks. Dropping it detaches.
pub(super) struct Attached {
    attachment: Attachment,
    /// The program at the other hook, for what v1 says.
    replies: Option<Attachment>,
    settings: Settings,
    settings_map: Array<MapData, SettingsBytes>,
    counters: PerCpuArray<MapData, Counters>,
    _log: Option<KernelLog>,
}

impl Attached {
    /// Loads a program, gives it all it needs, and attaches it, in this order: the first segment
    /// that it sees finds everything in its place.
    pub(super) fn new(
        rings: &mut Rings,
        config: &LiveConfig,
        sampling: KernelSampling,
        id: AttachmentId,
        place: Place,
    ) -> Result<Self> {
        let interface = place.netns.run(|| Interface::find(&place.interface))?;
        let tap = match place.tap {
            Some(tap) => Some(place.netns.run(|| tap.settings(&interface))?),
            None => None,
        };
        let settings = place.settings(
            config,
            sampling,
            interface.link_layer()?,
            rings.shards()?,
            id,
        )?;

        let mut ebpf = rings.load(tap.is_some())?;
        let mut settings_map = Array::try_from(take(&mut ebpf, "SETTINGS")?)?;
        settings_map.set(0, as_bytes(settings), 0)?;
        if let Some(tap) = tap {
            tell_tap(&mut ebpf, tap)?;
        }
        let counters = PerCpuArray::try_from(take(&mut ebpf, "COUNTERS")?)?;
        let log = open_log(&mut ebpf, config)?;

        tell_answered(&mut ebpf, &settings, &place)?;
        rings.join(id, &mut ebpf)?;
        // First what v1 says: no request is seen whose reply is not.
        let both = attach_replies(&mut ebpf, config, &settings, &place, &interface)
            .and_then(|replies| Ok((replies, attach(&mut ebpf, config, place, &interface)?)));
        if both.is_err() {
            rings.leave(id);
        }
        let (replies, attachment) = both?;
        Ok(Self {
            attachment,
            replies,
            settings,
            settings_map,
            counters,
            _log: log,
        })
    }

    /// See [`Capture::is_tcx`](super::Capture::is_tcx).
    pub(super) const fn is_tcx(&self) -> bool {
        self.attachment.is_tcx()
    }

    /// Whether its interface still exists, and it is still attached to it.
    pub(super) fn is_alive(&self) -> bool {
        let mut both = self.replies.iter().chain([&self.attachment]);
        both.all(Attachment::is_alive)
    }

    /// Whether there is a segment for which v1's kernel is not asked, or has no answer.
    pub(super) fn is_unasked(&self) -> Result<bool> {
        Ok(self.settings.ask_kernel == 0 || self.counters()?.unasked > 0)
    }

    /// Changes how much is sampled. After an error the old value stays.
    pub(super) fn set_threshold(&mut self, threshold: u64) -> Result<()> {
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

    /// What the program has counted of requests, over all CPUs.
    pub(super) fn counters(&self) -> Result<KernelCounters> {
        self.counters_of(slot::REQUESTS)
    }

    /// What the program at the other hook has counted of replies.
    pub(super) fn reply_counters(&self) -> Result<KernelCounters> {
        self.counters_of(slot::REPLIES)
    }

    fn counters_of(&self, slot: u32) -> Result<KernelCounters> {
        let cpus = self
            .counters
            .get(&slot, 0)
            .context("reading the kernel program's counters")?;
        let mut sum = KernelCounters::default();
        for cpu in cpus.iter() {
            sum += &KernelCounters::from(cpu);
        }
        Ok(sum)
    }

    /// Detaches, if it is still attached. The counters can be read on.
    pub(super) fn detach(&mut self) -> Result<()> {
        self.attachment.detach()?;
        self.replies.as_mut().map_or(Ok(()), Attachment::detach)
    }
}

fn take(ebpf: &mut Ebpf, map: &str) -> Result<Map> {
    ebpf.take_map(map)
        .with_context(|| format!("the object has no map `{map}`"))
}

fn tell_tap(ebpf: &mut Ebpf, settings: TapSettings) -> Result<()> {
    let bytes: [u8; size_of::<TapSettings>()] = zerocopy::transmute!(settings);
    let map = ebpf.map_mut("TAP").context("the object has no map `TAP`")?;
    let mut map: Array<&mut MapData, [u8; size_of::<TapSettings>()]> = Array::try_from(map)?;
    map.set(0, bytes, 0)
        .context("writing the kernel program's settings")
}

/// Says which ports have connections already, so that what belongs to none is refused from the first segment on.
fn tell_answered(ebpf: &mut Ebpf, settings: &Settings, place: &Place) -> Result<()> {
    if settings.ask_kernel == 0 {
        return Ok(());
    }
    let map = ebpf.map_mut("ANSWERED");
    let mut answered: Array<&mut MapData, u32> =
        Array::try_from(map.context("the object has no map `ANSWERED`")?)?;
    // Without `inet_diag` the program learns it from the first segment of a connection.
    let ask = |port: u16| port != 0 && is_connected(port).unwrap_or(false);
    let connected = place.netns.run(|| Ok(settings.ports.map(ask)))?;
    for (at, _) in (0..).zip(connected).filter(|(_, connected)| *connected) {
        answered
            .set(at, 1, 0)
            .context("writing the kernel program's settings")?;
    }
    Ok(())
}

fn open_log(ebpf: &mut Ebpf, config: &LiveConfig) -> Result<Option<KernelLog>> {
    Ok(match (config.log_kernel, config.ring) {
        (false, _) => None,
        (true, RingKind::Bpf) => Some(KernelLog::start(ebpf)?),
        (true, RingKind::Perf) => {
            log::warn!("the program for the perf ring has no log: aya-log needs a BPF ring");
            None
        }
    })
}

fn attach(
    ebpf: &mut Ebpf,
    config: &LiveConfig,
    place: Place,
    interface: &Interface,
) -> Result<Attachment> {
    if place.tap.is_some() {
        let program: &mut Xdp = program(ebpf, "mirror")?.try_into()?;
        load(|| program.load()).with_context(needs)?;
        return Attachment::to_tap(&place.netns, interface, program);
    }
    let name = place.decap.map_or("mirror", |_| "decap");
    let program = load_program(ebpf, name)?;
    Attachment::new(
        place.netns,
        interface,
        place.hook,
        config.method,
        &config.notes,
        program,
    )
}

fn attach_replies(
    ebpf: &mut Ebpf,
    config: &LiveConfig,
    settings: &Settings,
    place: &Place,
    interface: &Interface,
) -> Result<Option<Attachment>> {
    if settings.reply_head == 0 {
        return Ok(None);
    }
    let attachment = Attachment::new(
        place.netns.try_clone()?,
        interface,
        place.hook.other(),
        config.method,
        &config.notes,
        load_program(ebpf, "replies")?,
    )?;
    Ok(Some(attachment))
}

/// Has the kernel verify the program that feeds this kind of ring, and lets go of it.
pub(super) fn try_program(ring: RingKind) -> Result<()> {
    let config = LiveConfig {
        ring,
        ..LiveConfig::default()
    };
    let mut ebpf = Loader::new(&config)?.load()?;
    for name in ["mirror", "replies", "decap"] {
        load_program(&mut ebpf, name)?;
    }
    Ok(())
}

fn load_program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut SchedClassifier> {
    let program: &mut SchedClassifier = program(ebpf, name)?.try_into()?;
    load(|| program.load())?;
    Ok(program)
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Program> {
    ebpf.program_mut(name)
        .with_context(|| format!("the object has no program `{name}`"))
}

/// What a kernel must have that is asked for more than it may have.
fn needs() -> &'static str {
    match KernelVersion::current() {
        // Distributions port back.
        Ok(version) if version < KernelVersion::new(5, 18, 0) => {
            "--attach xdp needs Linux 5.18 (XDP on frames of several buffers): use --attach ingress"
        }
        _ => "for --attach xdp",
    }
}

/// Loads the program. The verifier gives up with `EAGAIN` when a signal comes, in the middle of work
/// of its tenth of a second, so it is asked again (as libbpf does).
fn load(mut once: impl FnMut() -> Result<(), ProgramError>) -> Result<()> {
    for _ in 1..LOAD_ATTEMPTS {
        match once() {
            Err(ProgramError::LoadError { io_error, .. })
                if io_error.kind() == ErrorKind::WouldBlock =>
            {
                log::debug!("a signal came while the kernel program was verified: again");
            }
            loaded => return loaded.map_err(refusal::explain),
        }
    }
    once().map_err(refusal::explain)
}
