//! Attaching to a hook like a guest: before others' programs, without touching any of them, and
//! leaving nothing behind.
//!
//! Where the kernel has tcx (Linux 6.6), the attachment is a link at the head of the hook. It
//! belongs to a file descriptor, so that it goes with the process, even after `kill -9`.
//! Elsewhere it is a `cls_bpf` filter ([`filter`]), which stays until it is deleted; a note of it
//! ([`record`]) lets the next start delete what a killed process left.
//!
//! Known gap: without tcx, a filter whose note is lost (another file system, a reboot of the
//! container but not of the node) stays. It costs a parse a frame and copies into a ring that
//! nobody reads; `tc filter show dev IF ingress` lists it, with a handle `0x706d....`.

mod filter;
mod record;

use std::{error::Error, fmt, io, path::Path};

use anyhow::{Context as _, Result};
use aya::programs::{
    LinkOrder, ProgramError, SchedClassifier,
    tc::{SchedClassifierLink, TcAttachOptions},
};

use super::{interface::Interface, netns::OpenNetns};
use filter::Filter;
use record::{Place, Record};

/// Which frames of an interface are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hook {
    /// Those it receives: a pod's own `eth0`.
    #[default]
    Ingress,
    /// Those it sends: the host's end of a pod's veth pair.
    Egress,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}

/// How a program comes to a hook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// By tcx where the kernel has it, else by filter.
    #[default]
    Auto,
    /// By filter, as if the kernel had no tcx.
    Filter,
}

/// A program at a hook. Dropping it detaches.
#[derive(Debug)]
pub(super) struct Attachment {
    netns: OpenNetns,
    place: Place,
    link: Option<Link>,
}

#[derive(Debug)]
enum Link {
    /// Closing it detaches.
    Tcx(#[expect(dead_code, reason = "held to stay attached")] SchedClassifierLink),
    Filter(Filter, Option<Record>),
}

impl Attachment {
    /// Attaches the loaded program to the interface's hook, inside the namespace.
    pub(super) fn new(
        netns: OpenNetns,
        interface: &Interface,
        hook: Hook,
        method: Method,
        notes: &Path,
        program: &mut SchedClassifier,
    ) -> Result<Self> {
        let place = Place {
            netns: netns.inode(),
            interface: interface.index,
            hook,
        };
        let link = netns
            .run(|| {
                delete_abandoned(notes, place);
                if method == Method::Auto
                    && let Some(link) = attach_tcx(interface, hook, program)?
                {
                    return Ok(Link::Tcx(link));
                }
                attach_filter(interface, place, notes, program)
            })
            .with_context(|| format!("attaching to {hook} of `{}`", interface.name))?;
        Ok(Self {
            netns,
            place,
            link: Some(link),
        })
    }

    /// Whether it is a tcx link, which needs no tidying up after a crash.
    pub(super) const fn is_tcx(&self) -> bool {
        matches!(self.link, Some(Link::Tcx(_)))
    }

    /// Detaches, if it is still attached.
    pub(super) fn detach(&mut self) -> Result<()> {
        match self.link.take() {
            None | Some(Link::Tcx(_)) => Ok(()),
            Some(Link::Filter(filter, record)) => {
                let Place {
                    interface, hook, ..
                } = self.place;
                let deleted = self
                    .netns
                    .run(|| Ok(filter::delete(interface, hook, &filter)?))
                    .context("deleting our filter")?;
                if !deleted {
                    log::info!("our filter was gone already, or somebody's had replaced it");
                }
                if let Some(record) = record {
                    record.remove().context("removing the note of our filter")?;
                }
                Ok(())
            }
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if let Err(error) = self.detach() {
            log::error!("still attached: {error:#}");
        }
    }
}

/// A link at the head of the hook, or `None` if the kernel has no tcx (`EINVAL` then: an unknown
/// attach type).
fn attach_tcx(
    interface: &Interface,
    hook: Hook,
    program: &mut SchedClassifier,
) -> Result<Option<SchedClassifierLink>, ProgramError> {
    let options = TcAttachOptions::TcxOrder(LinkOrder::first());
    match program.attach_with_options(&interface.name, hook.into(), options) {
        Ok(id) => program.take_link(id).map(Some),
        Err(error) if os_error(&error) == Some(nix::libc::EINVAL) => {
            log::debug!("no tcx here ({error}): attaching as a filter");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn attach_filter(
    interface: &Interface,
    place: Place,
    notes: &Path,
    program: &mut SchedClassifier,
) -> Result<Link> {
    let mut record = None;
    let attached = filter::attach(
        interface,
        place.hook,
        program,
        |filter| match Record::write(notes, place, &interface.name, filter) {
            Ok(written) => record = Some(written),
            Err(error) => log::warn!(
                "no note of our filter in {}: {error}; if podmirror is killed, the filter stays",
                notes.display()
            ),
        },
    );
    match attached {
        Ok(filter) => Ok(Link::Filter(filter, record)),
        Err(error) => {
            if let Some(record) = record {
                record.remove()?;
            }
            Err(error)
        }
    }
}

/// Deletes the filters that killed processes left at this place. What fails here is logged: it
/// must not keep a new attachment from working.
fn delete_abandoned(notes: &Path, place: Place) {
    for (record, filter) in Record::abandoned(notes, place) {
        let deleted = filter.map_or(Ok(false), |filter| {
            filter::delete(place.interface, place.hook, &filter)
        });
        match deleted.and_then(|deleted| record.remove().map(|()| deleted)) {
            Ok(true) => log::info!("deleted the filter that a killed podmirror left"),
            Ok(false) => {}
            Err(error) => log::warn!("a filter of a killed podmirror may be left: {error}"),
        }
    }
}

/// The system's error number behind one of aya's errors, which wrap it in several ways.
fn os_error(error: &(dyn Error + 'static)) -> Option<i32> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.raw_os_error();
        }
        cause = error.source();
    }
    None
}
