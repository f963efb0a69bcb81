//! The interfaces of a network namespace, and what their frames begin with.

use std::io;

use anyhow::{Context as _, Result, bail};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::rtnetlink::{attribute, attributes, create, dump, text};
use crate::live::{config::InterfaceId, netns::one_of};

const RTM_NEWLINK: u16 = 16;
pub(in crate::live) const RTM_GETLINK: u16 = 18;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_LINK_NETNSID: u16 = 37;

/// What a frame begins with at the TC hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::live) enum LinkLayer {
    /// An Ethernet header.
    Ethernet,
    /// The IP header: tunnels and tun devices have no link layer.
    Ip,
}

impl LinkLayer {
    /// The link layer of an `ARPHRD_*` number (`linux/if_arp.h`), or `None` if it is one that the
    /// kernel program does not read.
    const fn of_hardware(kind: u16) -> Option<Self> {
        match kind {
            // ETHER, and LOOPBACK, which builds Ethernet headers, too.
            1 | 772 => Some(Self::Ethernet),
            // RAWIP, TUNNEL, TUNNEL6, SIT, and NONE (tun, WireGuard).
            519 | 768 | 769 | 776 | 0xfffe => Some(Self::Ip),
            _ => None,
        }
    }
}

/// `struct ifinfomsg`.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(in crate::live) struct LinkMessage {
    family: u8,
    pad: u8,
    hardware: u16,
    pub(in crate::live) index: u32,
    flags: u32,
    change: u32,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::live) struct Interface {
    /// The interface's name.
    pub(in crate::live) name: String,
    /// Its number, unique in its namespace.
    pub(in crate::live) index: u32,
    /// The number of what it is a part or the other end of, in a namespace that may be another one.
    pub(in crate::live) link: Option<u32>,
    /// Which namespace that is, by the number that ours has for it; `None` if it is in ours.
    pub(in crate::live) link_netns: Option<i32>,
    /// Its `ARPHRD_*` number.
    hardware: u16,
}

impl Interface {
    /// The interfaces of the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// If the netlink dump fails (it needs no privilege).
    pub(in crate::live) fn all() -> io::Result<Vec<Self>> {
        let mut interfaces = Vec::new();
        dump(RTM_GETLINK, &LinkMessage::default(), |reply| {
            let Ok((link, rest)) = LinkMessage::read_from_prefix(reply) else {
                return;
            };
            let value = |wanted| attributes(rest).find(|&(kind, _)| kind == wanted);
            if let Some((_, name)) = value(IFLA_IFNAME) {
                let end = value(IFLA_LINK).and_then(|(_, end)| u32::read_from_bytes(end).ok());
                let netns = value(IFLA_LINK_NETNSID);
                interfaces.push(Self {
                    name: text(name),
                    index: link.index,
                    link: end,
                    link_netns: netns.and_then(|(_, id)| i32::read_from_bytes(id).ok()),
                    hardware: link.hardware,
                });
            }
        })?;
        Ok(interfaces)
    }

    /// This interface of the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// If there is none; the message names those that exist.
    pub(in crate::live) fn find(id: &InterfaceId) -> Result<Self> {
        let all = Self::all().context("listing the network interfaces")?;
        let is_it = |interface: &&Self| match id {
            InterfaceId::Name(name) => interface.name == *name,
            InterfaceId::Index(index) => interface.index == *index,
        };
        match all.iter().find(is_it) {
            Some(interface) => Ok(interface.clone()),
            None => bail!(
                "no interface {id} here; there is {}",
                one_of(all.iter().map(|interface| shown(&interface.name)).collect())
            ),
        }
    }

    /// Makes a device of this name in the calling thread's network namespace that drops whatever is
    /// sent to it.
    ///
    /// # Errors
    ///
    /// If the name is taken, this process has no `CAP_NET_ADMIN` there, or the kernel no such devices
    /// (`CONFIG_DUMMY`).
    pub(in crate::live) fn add_dummy(name: &str) -> io::Result<()> {
        let name = attribute(IFLA_IFNAME, &[name.as_bytes(), b"\0"].concat())?;
        let kind = attribute(IFLA_INFO_KIND, b"dummy\0")?;
        let info = attribute(IFLA_LINKINFO, &kind)?;
        create(RTM_NEWLINK, &LinkMessage::default(), &[name, info].concat())
    }

    /// What its frames begin with.
    ///
    /// # Errors
    ///
    /// If its frames begin with something else than Ethernet or IP.
    pub(in crate::live) fn link_layer(&self) -> Result<LinkLayer> {
        LinkLayer::of_hardware(self.hardware).with_context(|| {
            format!(
                "interface `{}` has link type {} (ARPHRD), neither Ethernet nor IP",
                shown(&self.name),
                self.hardware
            )
        })
    }
}

/// A name as it may stand in a line of the log. Whoever is root in a namespace chooses the names in it,
/// and the kernel refuses `/`, `:` and space in them, but neither quotes nor control characters.
pub(in crate::live) fn shown(name: &str) -> String {
    name.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_found_and_has_ethernet_headers() {
        let lo = Interface::find(&"lo".into()).unwrap();
        assert_eq!(lo.link_layer().unwrap(), LinkLayer::Ethernet);
        assert_eq!(lo.index, 1);
        assert_eq!(Interface::find(&1.into()).unwrap(), lo, "by its number");
    }

    #[test]
    fn a_missing_interface_is_answered_with_those_that_exist() {
        for (id, name) in [
            (InterfaceId::from("no-such-if"), "`no-such-if`"),
            (InterfaceId::Index(u32::MAX), "number 4294967295"),
        ] {
            let error = Interface::find(&id).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("no interface {name} here; there is lo")),
                "{error}"
            );
        }
    }

    #[test]
    fn names_are_shown_without_what_ends_or_colours_a_line() {
        assert_eq!(shown("eth0"), "eth0");
        assert_eq!(shown("a\nb\u{1b}[1m`\""), r#"a\nb\u{1b}[1m`\""#);
        let id = InterfaceId::from("a\nb").to_string();
        assert_eq!(id, r"`a\nb`");
    }

    #[test]
    fn tunnels_have_no_link_layer_and_the_unknown_is_refused() {
        assert_eq!(LinkLayer::of_hardware(0xfffe), Some(LinkLayer::Ip));
        assert_eq!(LinkLayer::of_hardware(519), Some(LinkLayer::Ip));
        assert_eq!(LinkLayer::of_hardware(801), None, "802.11 frames");
    }
}
