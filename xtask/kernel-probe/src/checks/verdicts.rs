//! Others' eBPF programs at the same hook, which leave segments to the next, hand them to the pod, drop
//! them, or send them elsewhere: what we see of them, and that theirs see what they did.

use anyhow::{Context as _, Result, bail, ensure};
use aya::{
    Ebpf,
    maps::PerCpuArray,
    programs::{
        LinkOrder, SchedClassifier, TcAttachType,
        tc::{NlOptions, TcAttachOptions, TcError, qdisc_add_clsact},
    },
};
use lab::{Family, Lab};
use nix::libc;

use crate::{
    boot::Machine,
    report::{Check, Outcome},
    scene::{Hook, Scene, balanced},
};

/// How the other program is attached, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A clsact filter of the first priority, before podmirror starts. Of one priority, the newest is
    /// first.
    Filter,
    /// The same, while podmirror runs.
    FilterLater,
    /// By tcx, before podmirror starts.
    Tcx,
    /// By tcx at the head, while podmirror runs.
    TcxLater,
}

/// A verdict, by the name of the program that gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Next,
    Ok,
    Drop,
    Redirect,
}

const PLACES: [Place; 4] = [
    Place::Filter,
    Place::FilterLater,
    Place::Tcx,
    Place::TcxLater,
];
const VERDICTS: [Verdict; 4] = [Verdict::Next, Verdict::Ok, Verdict::Drop, Verdict::Redirect];

pub(super) fn all() -> Vec<Check> {
    let mut checks = Vec::new();
    for place in PLACES {
        for verdict in VERDICTS {
            let name = format!("{}: {}", place.name(), verdict.name());
            checks.push(Check::new(name, move |machine: &Machine| {
                beside(place, verdict, machine)
            }));
        }
    }
    checks
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Filter => "their clsact program",
            Self::FilterLater => "their clsact program, later",
            Self::Tcx => "their tcx program",
            Self::TcxLater => "their tcx program, later",
        }
    }

    fn options(self) -> TcAttachOptions {
        match self {
            Self::Filter | Self::FilterLater => TcAttachOptions::Netlink(NlOptions {
                priority: 1,
                ..NlOptions::default()
            }),
            Self::Tcx | Self::TcxLater => TcAttachOptions::TcxOrder(LinkOrder::first()),
        }
    }

    /// Whether theirs decides before ours is asked.
    fn is_before_ours(self, machine: &Machine) -> bool {
        match self {
            Self::Filter | Self::Tcx => false,
            // Ours is by tcx where there is one, which is before all filters.
            Self::FilterLater => !machine.has(6, 6),
            Self::TcxLater => true,
        }
    }

    fn is_tcx(self) -> bool {
        matches!(self, Self::Tcx | Self::TcxLater)
    }

    fn is_later(self) -> bool {
        matches!(self, Self::FilterLater | Self::TcxLater)
    }
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Ok => "OK",
            Self::Drop => "drop",
            Self::Redirect => "redirect",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            other => other.name(),
        }
    }

    /// Whether v1 gets the segments.
    fn reaches_v1(self) -> bool {
        matches!(self, Self::Next | Self::Ok)
    }
}

/// Their program, which goes with this value.
struct Theirs(Ebpf);

impl Theirs {
    fn attach(lab: &Lab, place: Place, verdict: Verdict) -> Result<Self> {
        let mut ebpf = Ebpf::load_file("/objects/neighbour.o")?;
        let program = ebpf.program_mut(verdict.program()).context("no program")?;
        let program: &mut SchedClassifier = program.try_into()?;
        program.load()?;
        let (namespace, interface) = Hook::Ingress.place(lab);
        if !place.is_tcx() {
            // Ours may have made it.
            match namespace.run(|| qdisc_add_clsact(interface))? {
                Err(TcError::NetlinkError(error)) if error.raw_os_error() == Some(libc::EEXIST) => {
                }
                Err(TcError::AlreadyAttached) => {}
                added => added.context("adding a clsact qdisc")?,
            }
        }
        let options = place.options();
        let attach = || program.attach_with_options(interface, TcAttachType::Ingress, options);
        let _goes_with_the_program = namespace.run(attach)??;
        Ok(Self(ebpf))
    }

    /// How many segments came by it.
    fn seen(&self) -> Result<u64> {
        let map = self.0.map("SEEN").context("no counter")?;
        let seen: PerCpuArray<_, u64> = map.try_into()?;
        Ok(seen.get(&0, 0)?.iter().sum())
    }
}

fn beside(place: Place, verdict: Verdict, machine: &Machine) -> Result<Outcome> {
    if place.is_tcx() && !machine.has(6, 6) {
        return Ok(Outcome::Absent("since Linux 6.6".to_owned()));
    }
    let scene = Scene::new(Family::V4)?;
    let attach = || Theirs::attach(&scene.lab, place, verdict);
    let (theirs, mirror) = if place.is_later() {
        let mirror = scene.mirror(Hook::Ingress, &[])?;
        (attach()?, mirror)
    } else {
        let theirs = attach()?;
        (theirs, scene.mirror(Hook::Ingress, &[])?)
    };
    let wanted = verdict == Verdict::Next || !place.is_before_ours(machine);
    if wanted && verdict.reaches_v1() {
        // Every byte, in either order.
        scene.converse(&[1_448])?;
    } else {
        let reached = scene.knock().is_ok();
        ensure!(
            reached == verdict.reaches_v1(),
            "v1 was reached: {reached}, by {verdict:?}"
        );
    }
    let of_theirs = theirs.seen()?;
    ensure!(of_theirs > 0, "theirs sees nothing");
    let ended = mirror.stop()?;
    let copied = balanced(&ended)?.count("/segments/copied")?;
    match (copied > 0, wanted) {
        (true, true) => Ok(Outcome::Passed("seen".to_owned())),
        (false, false) => Ok(Outcome::Passed("not seen".to_owned())),
        (_, wanted) => bail!("{copied} segments copied, and that any are is {wanted}"),
    }
}
