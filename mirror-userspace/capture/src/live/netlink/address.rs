//! Finds the interface of a network namespace that holds an address, the namespace's cookie, and the
//! other end of the interface: how a pod's interface is told apart from others.
//!
//! It asks netlink and sockets, whose answers are about the namespace of the calling thread.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsRawFd as _,
};

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    getsockopt_impl, libc,
    sys::socket::{AddressFamily, SockFlag, SockType, getsockopt, socket, sockopt},
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{
    interface::{Interface, shown},
    rtnetlink::{attributes, dump, get},
};
use crate::live::netns::OpenNetns;

const RTM_GETADDR: u16 = 22;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTM_GETNSID: u16 = 90;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;

/// Where kube-proxy in IPVS mode keeps the addresses of services.
const OF_SERVICES: &str = "kube-ipvs0";

/// `struct ifaddrmsg`.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct AddressMessage {
    family: u8,
    prefix_len: u8,
    flags: u8,
    scope: u8,
    index: u32,
}

/// `struct rtgenmsg`, padded, and the attribute `NETNSA_FD`.
#[derive(Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct NetnsQuestion {
    family: [u8; 4],
    attribute_len: u16,
    attribute: u16,
    descriptor: i32,
}

/// `SO_NETNS_COOKIE`, Linux 5.14: a number that no other network namespace has had since boot.
#[derive(Clone, Copy)]
struct NetnsCookie;
getsockopt_impl!(
    NetnsCookie,
    libc::SOL_SOCKET,
    libc::SO_NETNS_COOKIE,
    u64,
    sockopt::GetStruct<u64>
);

/// An interface that holds an address, and its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressHolder {
    /// The name of the interface, such as `eth0`.
    pub interface: String,
    /// Its namespace's `SO_NETNS_COOKIE`; `None` before Linux 5.14.
    pub cookie: Option<u64>,
}

impl OpenNetns {
    /// The interface of this namespace that holds one of `addresses`, if one does.
    ///
    /// # Errors
    ///
    /// The namespace can't be entered or asked.
    pub fn holder_of(&self, addresses: &[IpAddr]) -> Result<Option<AddressHolder>> {
        self.run(|| {
            let Some(index) = index_with(addresses).context("listing the addresses")? else {
                return Ok(None);
            };
            let interfaces = Interface::all().context("listing the network interfaces")?;
            let holder = interfaces.into_iter().find(|one| one.index == index);
            let cookie = cookie().context("asking for the namespace's cookie")?;
            Ok(holder.map(|holder| AddressHolder {
                interface: holder.name,
                cookie,
            }))
        })
    }

    /// This namespace's `SO_NETNS_COOKIE`; `None` before Linux 5.14.
    ///
    /// # Errors
    ///
    /// The namespace can't be entered or asked.
    pub fn cookie(&self) -> Result<Option<u64>> {
        self.run(|| cookie().context("asking for the namespace's cookie"))
    }

    /// All addresses of this namespace's interfaces, but for those of `kube-ipvs0`: kube-proxy keeps
    /// the addresses of all services there.
    ///
    /// # Errors
    ///
    /// The namespace can't be entered or asked.
    pub fn addresses(&self) -> Result<Vec<IpAddr>> {
        self.run(|| {
            let interfaces = Interface::all().context("listing the network interfaces")?;
            let of_services = interfaces.into_iter().find(|one| one.name == OF_SERVICES);
            let left_out = of_services.map(|one| one.index);
            let mut found = Vec::new();
            each_address(|index, address| {
                if Some(index) != left_out {
                    found.push(address);
                }
            })
            .context("listing the addresses")?;
            Ok(found)
        })
    }

    /// The index in the namespace `outside` of the other end of `interface`, which is in this one:
    /// of a pod's `eth0` it is the veth on its node.
    ///
    /// Who is root in this namespace chooses the numbers of its interfaces, so they prove nothing:
    /// the end outside must itself say that its other end is here.
    ///
    /// # Errors
    ///
    /// There is no such interface, it has no other end, or that is in another namespace.
    pub fn peer_of(&self, interface: &str, outside: &Self) -> Result<u32> {
        let inside = self.run(|| Interface::find(&interface.into()))?;
        let name = shown(interface);
        let peer = inside
            .link
            .filter(|&peer| peer != inside.index)
            .with_context(|| format!("interface `{name}` has no end outside of the pod"))?;
        let (ends, here) = outside.run(|| {
            // Listing the interfaces makes a number for each namespace that one leads to.
            let ends = Interface::all().context("listing the network interfaces")?;
            Ok((
                ends,
                self.number_here()
                    .context("asking for the number of a namespace")?,
            ))
        })?;
        let here = here.with_context(|| format!("the other end of `{name}` is not on the host"))?;
        ends.iter()
            .find(|end| end.index == peer && end.link == Some(inside.index))
            .filter(|end| end.link_netns == Some(here))
            .map(|end| end.index)
            .with_context(|| format!("the other end of `{name}` is not on the host"))
    }

    /// The number that the calling thread's namespace has for this one, if any of its interfaces
    /// leads here (`RTM_GETNSID`, Linux 4.0).
    fn number_here(&self) -> io::Result<Option<i32>> {
        let file = self.file()?;
        let question = NetnsQuestion {
            family: [0; 4],
            attribute_len: 8,
            attribute: NETNSA_FD,
            descriptor: file.as_raw_fd(),
        };
        let answer = get(RTM_GETNSID, &question)?;
        let values = answer.get(size_of_val(&question.family)..);
        let number = attributes(values.unwrap_or_default())
            .find(|&(kind, _)| kind == NETNSA_NSID)
            .and_then(|(_, number)| i32::read_from_bytes(number).ok());
        Ok(number.filter(|&number| number >= 0))
    }
}

/// The index of the interface that holds one of `addresses` here.
fn index_with(addresses: &[IpAddr]) -> io::Result<Option<u32>> {
    let mut found = None;
    each_address(|index, address| {
        if found.is_none() && addresses.contains(&address) {
            found = Some(index);
        }
    })?;
    Ok(found)
}

/// Each address here, with the index of its interface.
pub(super) fn each_address(mut each: impl FnMut(u32, IpAddr)) -> io::Result<()> {
    dump(RTM_GETADDR, &AddressMessage::default(), |reply| {
        let Ok((message, rest)) = AddressMessage::read_from_prefix(reply) else {
            return;
        };
        // Of a point-to-point link, IFA_ADDRESS is the other end.
        let value = |wanted| attributes(rest).find(|&(kind, _)| kind == wanted);
        let own = value(IFA_LOCAL).or_else(|| value(IFA_ADDRESS));
        if let Some(address) = own.and_then(|(_, bytes)| address(bytes)) {
            each(message.index, address);
        }
    })
}

/// Whether the interface has an address here that more than its link can reach.
pub(in crate::live) fn has_address(interface: u32) -> io::Result<bool> {
    const UNIVERSE: u8 = 0;
    let mut found = false;
    dump(RTM_GETADDR, &AddressMessage::default(), |reply| {
        if let Ok((message, _)) = AddressMessage::read_from_prefix(reply) {
            found |= message.index == interface && message.scope == UNIVERSE;
        }
    })?;
    Ok(found)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    let bytes = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(bytes).into())
}

/// The cookie of the calling thread's namespace.
fn cookie() -> nix::Result<Option<u64>> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    match getsockopt(&socket, NetnsCookie) {
        Ok(cookie) => Ok(Some(cookie)),
        Err(Errno::ENOPROTOOPT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_holds_its_addresses_and_no_others() {
        let own = OpenNetns::current().unwrap();
        let [here, elsewhere] = ["127.0.0.1", "192.0.2.1"].map(|text| text.parse().unwrap());
        let holder = own.holder_of(&[elsewhere, here]).unwrap().unwrap();
        assert_eq!(holder.interface, "lo");
        assert_eq!(holder.cookie, own.cookie().unwrap());
        assert_eq!(own.holder_of(&[elsewhere]).unwrap(), None);
        assert_eq!(own.holder_of(&[]).unwrap(), None);
    }

    #[test]
    fn all_addresses_are_listed() {
        let own = OpenNetns::current().unwrap();
        let addresses = own.addresses().unwrap();
        assert!(
            addresses.contains(&Ipv4Addr::LOCALHOST.into()),
            "{addresses:?}"
        );
    }

    #[test]
    fn the_loopback_interface_has_no_other_end() {
        let own = OpenNetns::current().unwrap();
        let error = own.peer_of("lo", &own).unwrap_err().to_string();
        assert!(error.starts_with("interface `lo` has no end"), "{error}");
    }
}
