//! tcx links: attachments that belong to a file of ours, and go with it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aya::programs::{
    LinkOrder, ProgramError, SchedClassifier,
    links::FdLink,
    tc::{SchedClassifierLink, TcAttachOptions},
};

use super::{Hook, os_error};
use crate::live::interface::{Interface, shown};

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
        let id = match program.attach_with_options(&interface.name, hook.into(), options) {
            Ok(id) => id,
            Err(error) if os_error(&error) == Some(nix::libc::EINVAL) => {
                log::debug!("no tcx here ({error}): attaching as a filter");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let link = program.take_link(id)?;
        let status = status_of(&link);
        if status.is_none() {
            log::warn!(
                "it will not be noticed when `{}` goes away",
                shown(&interface.name)
            );
        }
        Ok(Some(Self { link, status }))
    }

    /// Whether its interface still exists. The link of one that does not is an empty shell: its
    /// interface is number 0.
    pub(super) fn is_attached(&self) -> bool {
        let Some(status) = &self.status else {
            return true;
        };
        let text = fs::read_to_string(status).unwrap_or_default();
        field(&text, "ifindex") != Some("0")
    }
}

/// Where `/proc` tells of the link. aya hands out neither its file descriptor nor its interface,
/// so it is found by its number.
fn status_of(link: &SchedClassifierLink) -> Option<PathBuf> {
    let link: &FdLink = link.try_into().ok()?;
    let id = link.info().ok()?.id().to_string();
    let is_it = |path: &Path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        field(&text, "link_id") == Some(&id) && field(&text, "ifindex").is_some()
    };
    let files = fs::read_dir("/proc/self/fdinfo").ok()?.flatten();
    files.map(|file| file.path()).find(|path| is_it(path))
}

/// The value of a line `name:\tvalue`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find_map(|(field, value)| (field == name).then(|| value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "pos:\t0\nlink_type:\ttcx\nlink_id:\t7\nprog_id:\t12\nifindex:\t3\n";
        assert_eq!(field(text, "link_id"), Some("7"));
        assert_eq!(field(text, "ifindex"), Some("3"));
        assert_eq!(field(text, "index"), None);
    }
}
