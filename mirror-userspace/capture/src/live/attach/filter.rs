//! `cls_bpf` filters on a `clsact` qdisc: how programs are attached where the kernel has no tcx
//! (before Linux 6.6).
//!
//! A filter is addressed by interface, hook, priority and handle, and whoever names the same four
//! replaces or deletes it: agents that took fixed ones have deleted each other's. So ours takes
//! a handle that nobody else would, and goes only after a look whether it is still ours.

use anyhow::{Context as _, Result, bail};
use aya::programs::{
    SchedClassifier, TcAttachType,
    tc::{NlOptions, TcAttachOptions, TcError, TcHandle, qdisc_add_clsact},
};

use super::{Hook, os_error};
use crate::live::netlink::Interface;
pub(super) use crate::live::netlink::filter::{Filter, delete, list};

/// The upper half of our handles: "pm".
const HANDLE: u16 = 0x706d;
/// How many of us may share a hook.
const HANDLES: u16 = 64;
/// The priorities to try, first choice first. Filters of a lower priority run first and may end
/// the walk, and within one priority the newest runs first; but all filters of one priority are
/// of one kind and protocol, so that somebody else's `u32` filter may have taken the place.
const PRIORITIES: std::ops::RangeInclusive<u16> = 1..=8;

/// Attaches the program as a filter, before others' as far as they let it. `announce` is told
/// each place before it is tried, so that a note of it exists before the filter does.
///
/// A qdisc that this makes stays when the filter goes: others may have come to use it since.
pub(super) fn attach(
    interface: &Interface,
    hook: Hook,
    program: &mut SchedClassifier,
    mut announce: impl FnMut(&Filter),
) -> Result<Filter> {
    add_qdisc(interface)?;
    let info = program.info()?;
    let taken = list(interface.index, hook)?;
    let mut filter = Filter {
        priority: 0,
        handle: 0,
        name: info.name_as_str().unwrap_or_default().to_owned(),
        program_id: info.id(),
        program_tag: info.tag(),
    };
    for priority in PRIORITIES {
        let free = (1..=HANDLES)
            .map(|minor| TcHandle::new(HANDLE, minor))
            .find(|&handle| taken.iter().all(|other| other.handle != u32::from(handle)));
        let Some(handle) = free else {
            bail!("{HANDLES} podmirrors are attached there already");
        };
        filter.priority = priority;
        filter.handle = handle.into();
        announce(&filter);
        match try_at(interface, hook, program, priority, handle) {
            Ok(()) => return Ok(filter),
            // Another kind or protocol of filter has this priority.
            Err(error) if os_error(&error) == Some(nix::libc::EINVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("no free priority up to {}", PRIORITIES.end())
}

fn try_at(
    interface: &Interface,
    hook: Hook,
    program: &mut SchedClassifier,
    priority: u16,
    handle: TcHandle,
) -> Result<(), aya::programs::ProgramError> {
    let options = TcAttachOptions::Netlink(NlOptions {
        priority,
        handle,
        classid: None,
    });
    let id = program.attach_with_options(&interface.name, hook.into(), options)?;
    // aya would delete the filter when the link is dropped, in whatever namespace the dropping
    // thread is in: the same numbers may name somebody else's filter there.
    std::mem::forget(program.take_link(id)?);
    Ok(())
}

fn add_qdisc(interface: &Interface) -> Result<()> {
    match qdisc_add_clsact(&interface.name) {
        Ok(()) | Err(TcError::AlreadyAttached) => Ok(()),
        Err(TcError::NetlinkError(error)) if error.raw_os_error() == Some(nix::libc::EEXIST) => {
            Ok(())
        }
        Err(error) => Err(error).context("adding the clsact qdisc"),
    }
}

impl From<Hook> for TcAttachType {
    fn from(hook: Hook) -> Self {
        match hook {
            Hook::Ingress => Self::Ingress,
            Hook::Egress => Self::Egress,
        }
    }
}
