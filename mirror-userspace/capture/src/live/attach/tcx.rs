//! tcx links: attachments that belong to a file of ours, and go with it.

use std::path::PathBuf;

use aya::programs::{
    LinkOrder, ProgramError, SchedClassifier,
    links::FdLink,
    tc::{SchedClassifierLink, TcAttachOptions},
};

use super::{Hook, os_error, status};
use crate::live::netlink::{Interface, shown};

/// A link at the head of a hook.
#[derive(Debug)]
pub(super) struct TcxLink {
    #[expect(dead_code, reason = "held to stay attached")]
    link: SchedClassifierLink,
    /// What the kernel says of it; `None` if that can't be read.
    status: Option<PathBuf>,
}

impl TcxLink {
    /// Attaches the program, or returns `None` if the kernel has no tcx (`EINVAL` then: an unknown
    /// attach type).
    pub(super) fn attach(
        interface: &Interface,
        hook: Hook,
        program: &mut SchedClassifier,
    ) -> Result<Option<Self>, ProgramError> {
        let options = TcAttachOptions::TcxOrder(LinkOrder::first());
        let next = status::next();
        let id = match program.attach_with_options(&interface.name, hook.into(), options) {
            Ok(id) => id,
            Err(error) if os_error(&error) == Some(nix::libc::EINVAL) => {
                log::debug!("no tcx here ({error}): attaching as a filter");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let link = program.take_link(id)?;
        let file: Option<&FdLink> = (&link).try_into().ok();
        let status = file.and_then(|link| status::of(link, next));
        if status.is_none() {
            log::warn!(
                "it will not be noticed when `{}` goes away",
                shown(&interface.name)
            );
        }
        Ok(Some(Self { link, status }))
    }

    /// Whether its interface still exists.
    pub(super) fn is_attached(&self) -> bool {
        status::is_attached(self.status.as_deref())
    }
}
