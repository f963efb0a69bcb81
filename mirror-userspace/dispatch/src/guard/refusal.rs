//! Which addresses a target that a document names may not have. A pure function over the address.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::Network;

/// Why an address is not connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// `0.0.0.0/8`, `::`: Linux takes the first and the last for loopback (RFC 1122 section 3.2.1.3).
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// `169.254.0.0/16` (RFC 3927), `fe80::/10`: the clouds' metadata servers are there.
    LinkLocal,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// A metadata server of a cloud at an address that looks like any other.
    Metadata,
    /// `64:ff9b:1::/48` (RFC 8215): it stands for an IPv4 address, and only its network knows which.
    LocalNat64,
    /// It is the mirror's own, or its node's.
    Own,
    /// The operator's networks that documents may not name.
    Denied,
    /// Which addresses are our own can't be read.
    Unknown,
}

/// Why a target of a document may not have this address, if it may not. An IPv6 address that stands
/// for an IPv4 one is judged as both.
pub(crate) fn refusal(address: IpAddr, own: &[IpAddr], denied: &[Network]) -> Option<Refusal> {
    let listed = |address: IpAddr| {
        if own.contains(&address) {
            return Some(Refusal::Own);
        }
        let is_denied = denied.iter().any(|network| network.contains(address));
        is_denied.then_some(Refusal::Denied)
    };
    let of_v4 = |address: Ipv4Addr| special_v4(address).or_else(|| listed(address.into()));
    match address {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => special_v6(address)
            .or_else(|| embedded(address).into_iter().flatten().find_map(of_v4))
            .or_else(|| listed(address.into())),
    }
}

/// Those of Azure, Alibaba and Oracle, as their documentation has them.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// Those of AWS and Google.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

fn special_v4(address: Ipv4Addr) -> Option<Refusal> {
    Some(match address.octets() {
        [0, ..] => Refusal::Unspecified,
        [127, ..] => Refusal::Loopback,
        [169, 254, ..] => Refusal::LinkLocal,
        [224..=239, ..] => Refusal::Multicast,
        [255, 255, 255, 255] => Refusal::Broadcast,
        _ if METADATA_V4.contains(&address) => Refusal::Metadata,
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<Refusal> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Refusal::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Refusal::Loopback,
        [0xfe80..=0xfebf, ..] => Refusal::LinkLocal,
        [0xff00..=0xffff, ..] => Refusal::Multicast,
        [0x64, 0xff9b, 1, ..] => Refusal::LocalNat64,
        _ if METADATA_V6.contains(&address) => Refusal::Metadata,
        _ => return None,
    })
}

/// The IPv4 addresses that this one may stand for.
fn embedded(address: Ipv6Addr) -> [Option<Ipv4Addr>; 3] {
    let [_, _, a, b, c, d, e, f, .., w, x, y, z] = address.octets();
    let last = Ipv4Addr::new(w, x, y, z);
    let found = match address.segments() {
        // Compatible (RFC 4291 section 2.5.5.1), mapped (2.5.5.2), translated (RFC 2765 section 2.1).
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] | [0, 0, 0, 0, 0xffff, 0, _, _] => [Some(last), None],
        // NAT64 (RFC 6052 section 2.1).
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => [Some(last), None],
        // 6to4 (RFC 3056 section 2).
        [0x2002, ..] => [Some(Ipv4Addr::new(a, b, c, d)), None],
        // Teredo (RFC 4380 section 4): its server, and its client, inverted.
        [0x2001, 0, ..] => [
            Some(Ipv4Addr::new(c, d, e, f)),
            Some(Ipv4Addr::new(!w, !x, !y, !z)),
        ],
        _ => [None, None],
    };
    // ISATAP (RFC 5214 section 6.1), below any prefix.
    let isatap = match address.segments() {
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => Some(last),
        _ => None,
    };
    let [one, other] = found;
    [one, other, isatap]
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "is the unspecified address",
            Self::Loopback => "is loopback",
            Self::LinkLocal => "is link-local",
            Self::Multicast => "is multicast",
            Self::Broadcast => "is broadcast",
            Self::Metadata => "is a cloud's metadata server",
            Self::LocalNat64 => "is behind a local NAT64",
            Self::Own => "is this node's own",
            Self::Denied => "is in a network of --deny-target",
            Self::Unknown => "is refused, as the node's own addresses can't be read",
        })
    }
}

#[cfg(test)]
mod tests;
