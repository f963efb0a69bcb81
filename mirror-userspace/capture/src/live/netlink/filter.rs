//! The BPF filters at an interface's hooks: listing and deleting them.

use std::io;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::rtnetlink::{attributes, dump, request, text};
use crate::live::attach::Hook;

const RTM_DELTFILTER: u16 = 45;
const RTM_GETTFILTER: u16 = 46;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_TAG: u16 = 10;
const TCA_BPF_ID: u16 = 11;
/// `ETH_P_ALL`: filters for every protocol.
const ALL_PROTOCOLS: u16 = 3;

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
pub(in crate::live) struct Filter {
    /// Its place among the filters of the hook.
    pub(in crate::live) priority: u16,
    /// Its number at that priority.
    pub(in crate::live) handle: u32,
    /// What its owner called it.
    pub(in crate::live) name: String,
    /// The program's id, which the kernel does not give out twice before it has given out all.
    pub(in crate::live) program_id: u32,
    /// The program's tag: a hash of its instructions.
    pub(in crate::live) program_tag: u64,
}

/// The BPF filters at a hook; none if the interface is gone.
pub(in crate::live) fn list(interface: u32, hook: Hook) -> io::Result<Vec<Filter>> {
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
pub(in crate::live) fn delete(interface: u32, hook: Hook, filter: &Filter) -> io::Result<bool> {
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
