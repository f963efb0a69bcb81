//! `cls_bpf` filters on a `clsact` qdisc: how programs are attached where the kernel has no tcx
//! (before Linux 6.6).
//!
//! A filter is addressed by interface, hook, priority and handle, and whoever names the same four
//! replaces or deletes it: agents that took fixed ones have deleted each other's. So ours takes
//! a handle that nobody else would, and goes only after a look whether it is still ours.

use std::io;

use anyhow::{Context as _, Result, bail};
use aya::programs::{
    SchedClassifier, TcAttachType,
    tc::{NlOptions, TcAttachOptions, TcError, TcHandle, qdisc_add_clsact},
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Hook, os_error};
use crate::live::{
    interface::Interface,
    rtnetlink::{attributes, dump, request, text},
};

const RTM_DELTFILTER: u16 = 45;
const RTM_GETTFILTER: u16 = 46;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_TAG: u16 = 10;
const TCA_BPF_ID: u16 = 11;
/// `ETH_P_ALL`: filters for every protocol.
const ALL_PROTOCOLS: u16 = 3;

/// The upper half of our handles: "pm".
const HANDLE: u16 = 0x706d;
/// How many of us may share a hook.
const HANDLES: u16 = 64;
/// The priorities to try, first choice first. Filters of a lower priority run first and may end
/// the walk, and within one priority the newest runs first; but all filters of one priority are
/// of one kind and protocol, so that somebody else's `u32` filter may have taken the place.
const PRIORITIES: std::ops::RangeInclusive<u16> = 1..=8;

/// `struct tcmsg`.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct FilterMessage {
    family: u8,
    pad: [u8; 3],
    interface: u32,
    handle: u32,
    parent: u32,
    /// Priority in the upper half, protocol in network byte order in the lower.
    info: u32,
}

impl FilterMessage {
    fn at(interface: u32, hook: Hook) -> Self {
        Self {
            interface,
            parent: match hook {
                Hook::Ingress => 0xffff_fff2,
                Hook::Egress => 0xffff_fff3,
            },
            ..Self::default()
        }
    }
}

/// A BPF filter that is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    /// Its place among the filters of the hook.
    pub(super) priority: u16,
    /// Its number at that priority.
    pub(super) handle: u32,
    /// What its owner called it.
    pub(super) name: String,
    /// The program's id, which the kernel does not give out twice before it has given out all.
    pub(super) program_id: u32,
    /// The program's tag: a hash of its instructions.
    pub(super) program_tag: u64,
}

/// The BPF filters at a hook; none if the interface is gone.
pub(super) fn list(interface: u32, hook: Hook) -> io::Result<Vec<Filter>> {
    let mut filters = Vec::new();
    dump(
        RTM_GETTFILTER,
        &FilterMessage::at(interface, hook),
        |reply| {
            filters.extend(read_filter(reply));
        },
    )?;
    Ok(filters)
}

fn read_filter(reply: &[u8]) -> Option<Filter> {
    let (message, rest) = FilterMessage::read_from_prefix(reply).ok()?;
    let find = |bytes, wanted| {
        attributes(bytes).find_map(|(kind, value)| (kind == wanted).then_some(value))
    };
    if text(find(rest, TCA_KIND)?) != "bpf" {
        return None;
    }
    let options = find(rest, TCA_OPTIONS)?;
    Some(Filter {
        priority: u16::try_from(message.info >> 16).ok()?,
        handle: message.handle,
        name: find(options, TCA_BPF_NAME).map(text).unwrap_or_default(),
        program_id: u32::read_from_bytes(find(options, TCA_BPF_ID)?).ok()?,
        program_tag: u64::from_be_bytes(find(options, TCA_BPF_TAG)?.try_into().ok()?),
    })
}

/// Deletes the filter, if it is exactly as given; whether it was.
pub(super) fn delete(interface: u32, hook: Hook, filter: &Filter) -> io::Result<bool> {
    if !list(interface, hook)?.contains(filter) {
        return Ok(false);
    }
    let message = FilterMessage {
        handle: filter.handle,
        info: u32::from(filter.priority) << 16 | u32::from(ALL_PROTOCOLS.to_be()),
        ..FilterMessage::at(interface, hook)
    };
    request(RTM_DELTFILTER, &message)?;
    Ok(true)
}

/// Attaches the program as a filter, before others' as far as they let it. `announce` is told
/// each place before it is tried, so that a record of it exists before the filter does.
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
