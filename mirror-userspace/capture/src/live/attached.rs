//! One attachment: its entry points at their hooks, with settings and counters of its own.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{Array, MapData},
    programs::Xdp,
    util::KernelVersion,
};
use mirror_common::{
    counter::slot,
    settings::{Settings, TapSettings},
};
use mirror_core::{counters::KernelCounters, policy::KernelSampling};

use super::{
    attach::Attachment,
    config::{AttachmentId, LiveConfig, Place},
    entries::Entries,
    kernel_log::KernelLog,
    loader::Loader,
    netlink::{Interface, is_connected},
    object::RingKind,
    programs::{Seat, load, load_program, program},
    rings::Rings,
};

/// A program at its place, or two at its two hooks. Dropping it detaches.
pub(super) struct Attached {
    attachment: Attachment,
    /// The program at the other hook, for what v1 says.
    replies: Option<Attachment>,
    settings: Settings,
    entries: Entries,
    _held: Held,
}

/// What it gives back once it is detached.
enum Held {
    /// Its share of programs that others use, too.
    Seat(#[expect(dead_code, reason = "held to stay there")] Seat),
    /// At a port of copies the program is its own, and so is its log.
    Tap(#[expect(dead_code, reason = "held to be passed on")] Option<KernelLog>),
}

impl Attached {
    /// Gives a program all it needs, and attaches it, in this order: the first segment that it sees
    /// finds everything in its place. What was counted of replies before an error is added to `left`.
    pub(super) fn new(
        rings: &Rings,
        config: &LiveConfig,
        sampling: KernelSampling,
        id: AttachmentId,
        place: Place,
        left: &mut KernelCounters,
    ) -> Result<Self> {
        let interface = place.netns.run(|| Interface::find(&place.interface))?;
        let settings = place.settings(
            config,
            sampling,
            interface.link_layer()?,
            rings.shards(),
            id,
        )?;
        if place.tap.is_some() {
            return Self::at_tap(rings, config, settings, id, &place, &interface);
        }
        let (mut seat, first) = rings.seat(config)?;
        let settings = Settings {
            rings: first,
            ..settings
        };
        let mut entries = seat.entries()?;
        note_answered(&mut entries, &settings, &place)?;
        entries.write(settings)?;
        // First what v1 says: no request is seen whose reply is not.
        let replies = attach_replies(&mut seat, config, &settings, &place, &interface)?;
        let name = place.decap.map_or("mirror", |_| "decap");
        let attachment = seat.enter(slot::REQUESTS, name, |entry| {
            Attachment::new(
                place.netns,
                &interface,
                place.hook,
                config.method,
                &config.notes,
                entry,
            )
        });
        let attachment = match attachment {
            Ok(attachment) => attachment,
            Err(error) => {
                drop(replies);
                *left += &entries.counters(slot::REPLIES)?;
                return Err(error);
            }
        };
        Ok(Self {
            attachment,
            replies,
            settings,
            entries,
            _held: Held::Seat(seat),
        })
    }

    /// At a port that receives copies, with a program of its own.
    fn at_tap(
        rings: &Rings,
        config: &LiveConfig,
        settings: Settings,
        id: AttachmentId,
        place: &Place,
        interface: &Interface,
    ) -> Result<Self> {
        let tap = place.tap.context("it is no port of copies")?;
        let tap = place.netns.run(|| tap.settings(interface))?;
        let mut ebpf = rings.load_tap()?;
        let mut entries = Entries::of(&ebpf, 0)?;
        entries.write(settings)?;
        tell_tap(&mut ebpf, tap)?;
        let log = match config.log_kernel {
            true => Some(KernelLog::start(&mut ebpf)?),
            false => None,
        };
        let program: &mut Xdp = program(&mut ebpf, "mirror")?.try_into()?;
        load(|| program.load()).with_context(needs)?;
        rings.join_tap(id, &ebpf)?;
        let program: &mut Xdp = self::program(&mut ebpf, "mirror")?.try_into()?;
        let attachment = Attachment::to_tap(&place.netns, interface, program);
        if attachment.is_err() {
            rings.leave(id);
        }
        Ok(Self {
            attachment: attachment?,
            replies: None,
            settings,
            entries,
            _held: Held::Tap(log),
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
        self.entries.write(settings)?;
        self.settings = settings;
        Ok(())
    }

    /// What the program has counted of requests, over all CPUs.
    pub(super) fn counters(&self) -> Result<KernelCounters> {
        self.entries.counters(slot::REQUESTS)
    }

    /// What the program at the other hook has counted of replies.
    pub(super) fn reply_counters(&self) -> Result<KernelCounters> {
        self.entries.counters(slot::REPLIES)
    }

    /// Detaches, if it is still attached. The counters can be read on.
    pub(super) fn detach(&mut self) -> Result<()> {
        self.attachment.detach()?;
        self.replies.as_mut().map_or(Ok(()), Attachment::detach)
    }
}

fn tell_tap(ebpf: &mut Ebpf, settings: TapSettings) -> Result<()> {
    let bytes: [u8; size_of::<TapSettings>()] = zerocopy::transmute!(settings);
    let map = ebpf.map_mut("TAP").context("the object has no map `TAP`")?;
    let mut map: Array<&mut MapData, [u8; size_of::<TapSettings>()]> = Array::try_from(map)?;
    map.set(0, bytes, 0)
        .context("writing the kernel program's settings")
}

/// Says which ports have connections already, so that what belongs to none is refused from the first segment on.
fn note_answered(entries: &mut Entries, settings: &Settings, place: &Place) -> Result<()> {
    if settings.ask_kernel == 0 {
        return Ok(());
    }
    // Without `inet_diag` the program learns it from the first segment of a connection.
    let ask = |port: u16| port != 0 && is_connected(port).unwrap_or(false);
    let connected = place.netns.run(|| Ok(settings.ports.map(ask)))?;
    for (at, _) in (0..).zip(connected).filter(|(_, connected)| *connected) {
        entries.note_answer(at)?;
    }
    Ok(())
}

fn attach_replies(
    seat: &mut Seat,
    config: &LiveConfig,
    settings: &Settings,
    place: &Place,
    interface: &Interface,
) -> Result<Option<Attachment>> {
    if settings.reply_head == 0 {
        return Ok(None);
    }
    let netns = place.netns.try_clone()?;
    let attach = |entry: &mut _| {
        Attachment::new(
            netns,
            interface,
            place.hook.other(),
            config.method,
            &config.notes,
            entry,
        )
    };
    seat.enter(slot::REPLIES, "replies", attach).map(Some)
}

/// Has the kernel verify the program that feeds this kind of ring, and lets go of it.
pub(super) fn try_program(ring: RingKind) -> Result<()> {
    let config = LiveConfig {
        ring,
        ..LiveConfig::default()
    };
    let mut ebpf = Loader::new(&config)?.load()?;
    for name in ["mirror", "replies", "decap", "mirror_0"] {
        load_program(&mut ebpf, name)?;
    }
    Ok(())
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
