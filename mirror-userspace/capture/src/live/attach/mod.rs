//! Attaching to a hook like a guest: before others' programs, without touching any of them, and
//! leaving nothing behind.
//!
//! Where the kernel has tcx (Linux 6.6), the attachment is a link at the head of the hook. It
//! belongs to a file descriptor, so that it goes with the process, even after `kill -9`.
//! Elsewhere it is a `cls_bpf` filter ([`filter`]), which stays until it is deleted; a note of it
//! ([`note`]) lets the next start delete what a killed process left ([`abandoned`]).
//!
//! A port that receives nothing but copies ([`tap`]) has no other programs to be a guest among: there
//! an XDP link ([`xdp`]) sees frames before they are socket buffers.
//!
//! Known gaps, without tcx: a filter whose note is lost (in a container whose `/run/podmirror` is not
//! the node's) stays; and so does, until it is attached to again, one in a namespace that neither a process nor a
//! name under `/run/netns` leads to. It costs a few nanoseconds a frame, and copies nothing, as there is nobody
//! to hand over to; `tc filter show dev IF ingress` lists it, with a handle `0x706d....`.

pub(super) mod abandoned;
mod filter;
mod folder;
mod note;
pub(super) mod quiet;
mod status;
mod tap;
mod tcx;
mod xdp;

use std::{error::Error, fmt, io, path::Path};

use anyhow::{Context as _, Result};
use aya::programs::{SchedClassifier, Xdp};

use super::{
    netlink::{Interface, shown},
    netns::OpenNetns,
};
use filter::Filter;
use note::{LockedNote, Noted, Spot};
use tcx::TcxLink;
use xdp::XdpLink;

pub use tap::Tap;

/// Which frames of an interface are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hook {
    /// Those it receives: a pod's own `eth0`.
    #[default]
    Ingress,
    /// Those it sends: the host's end of a pod's veth pair.
    Egress,
}

impl Hook {
    /// That of the same interface at which the other end of its connections is heard.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Ingress => Self::Egress,
            Self::Egress => Self::Ingress,
        }
    }
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
    /// `None` once it is detached.
    link: Option<Link>,
    /// The kernel's number of the program.
    program: u32,
}

#[derive(Debug)]
enum Link {
    /// A tcx link: closing it detaches.
    Tcx(TcxLink),
    /// A link at XDP: closing it detaches.
    Xdp(XdpLink),
    Filter(NotedFilter),
}

/// A filter with all that deleting it takes.
#[derive(Debug)]
struct NotedFilter {
    /// Only from inside can it be deleted.
    netns: OpenNetns,
    spot: Spot,
    filter: Filter,
    note: Option<LockedNote>,
}

impl Attachment {
    /// Attaches the loaded program to the interface's hook, inside the namespace, which it holds
    /// on to only if there is no tcx.
    pub(super) fn new(
        netns: OpenNetns,
        interface: &Interface,
        hook: Hook,
        method: Method,
        notes: &Path,
        program: &mut SchedClassifier,
    ) -> Result<Self> {
        let number = program
            .info()
            .context("asking for the program's number")?
            .id();
        let spot = Spot {
            netns: netns.inode(),
            interface: interface.index,
            hook,
        };
        let attach = || {
            abandoned::delete_at(notes, spot);
            if method == Method::Auto
                && let Some(link) = TcxLink::attach(interface, hook, program)?
            {
                return Ok(AttachedBy::Tcx(link));
            }
            let (filter, note) = attach_filter(interface, spot, notes, program)?;
            Ok(AttachedBy::Filter(filter, note))
        };
        let attached = netns
            .run(attach)
            .with_context(|| format!("attaching to {hook} of `{}`", shown(&interface.name)))?;
        let link = match attached {
            AttachedBy::Tcx(link) => Link::Tcx(link),
            AttachedBy::Filter(filter, note) => Link::Filter(NotedFilter {
                netns,
                spot,
                filter,
                note,
            }),
        };
        Ok(Self {
            link: Some(link),
            program: number,
        })
    }

    /// Attaches the loaded program to a port that receives copies, inside the namespace.
    pub(super) fn to_tap(
        netns: &OpenNetns,
        interface: &Interface,
        program: &mut Xdp,
    ) -> Result<Self> {
        let number = program
            .info()
            .context("asking for the program's number")?
            .id();
        let link = netns
            .run(|| XdpLink::attach(interface, program))
            .with_context(|| format!("attaching to `{}`", interface.name))?;
        Ok(Self {
            link: Some(Link::Xdp(link)),
            program: number,
        })
    }

    /// Whether it is a tcx link, which needs no tidying up after a crash.
    pub(super) const fn is_tcx(&self) -> bool {
        matches!(self.link, Some(Link::Tcx(_)))
    }

    /// Whether the program still sees frames: not once its interface is gone, or somebody deleted
    /// its filter.
    pub(super) fn is_alive(&self) -> bool {
        match &self.link {
            None => false,
            Some(Link::Tcx(link)) => link.is_attached(),
            Some(Link::Xdp(link)) => link.is_attached(),
            Some(Link::Filter(noted)) => noted.is_attached(),
        }
    }

    /// Detaches, if it is still attached. When this returns the program is on no CPU any more,
    /// unless somebody else has held it for a second. After an error it can be tried again.
    pub(super) fn detach(&mut self) -> Result<()> {
        if let Some(Link::Filter(noted)) = &mut self.link {
            noted.delete()?;
        }
        let Some(link) = self.link.take() else {
            return Ok(());
        };
        let before_buffers = matches!(link, Link::Xdp(_));
        drop(link);
        quiet::wait_until_gone(self.program);
        if before_buffers {
            quiet::wait_for_every_cpu();
        }
        Ok(())
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if let Err(error) = self.detach() {
            log::error!("still attached: {error:#}");
        }
    }
}

/// What attaching inside the namespace came to.
enum AttachedBy {
    Tcx(TcxLink),
    Filter(Filter, Option<LockedNote>),
}

impl NotedFilter {
    fn is_attached(&self) -> bool {
        let Spot {
            interface, hook, ..
        } = self.spot;
        let filters = self.netns.run(|| Ok(filter::list(interface, hook)?));
        filters.is_ok_and(|filters| filters.contains(&self.filter))
    }

    fn delete(&mut self) -> Result<()> {
        let Spot {
            interface, hook, ..
        } = self.spot;
        let deleted = self
            .netns
            .run(|| Ok(filter::delete(interface, hook, &self.filter)?))
            .context("deleting our filter")?;
        if !deleted {
            log::info!("our filter was gone already, or somebody's had replaced it");
        }
        if let Some(note) = self.note.take() {
            note.remove().context("removing the note of our filter")?;
        }
        Ok(())
    }
}

fn attach_filter(
    interface: &Interface,
    spot: Spot,
    notes: &Path,
    program: &mut SchedClassifier,
) -> Result<(Filter, Option<LockedNote>)> {
    let mut note = None;
    let attached = filter::attach(interface, spot.hook, program, |filter| {
        let filter = filter.clone();
        match LockedNote::write(notes, &interface.name, &Noted { spot, filter }) {
            Ok(written) => note = Some(written),
            Err(error) => log::warn!(
                "no note of our filter in {}: {error}; if podmirror is killed, the filter stays",
                notes.display()
            ),
        }
    });
    match attached {
        Ok(filter) => Ok((filter, note)),
        Err(error) => {
            if let Some(note) = note {
                note.remove()?;
            }
            Err(error)
        }
    }
}

/// The system's error number behind one of aya's errors, which wrap it in several ways.
pub(in crate::live) fn os_error(error: &(dyn Error + 'static)) -> Option<i32> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.raw_os_error();
        }
        cause = error.source();
    }
    None
}
