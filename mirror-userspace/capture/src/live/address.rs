//! Which interface of a network namespace holds an address, which namespace that is, and what the
//! other end of the interface is: how a pod's interface is known for its own.
//!
//! All of it by netlink and sockets, whose answers belong to the namespace of the thread that asks.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    getsockopt_impl, libc,
    sys::socket::{AddressFamily, SockFlag, SockType, getsockopt, socket, sockopt},
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{
    interface::Interface,
    netns::OpenNetns,
    rtnetlink::{attributes, dump},
};

const RTM_GETADDR: u16 = 22;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

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
    /// The interface's name.
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

    /// The index in the namespace `outside` of the other end of `interface`, which is in this one:
    /// of a pod's `eth0` it is the veth on its node.
    ///
    /// # Errors
    ///
    /// There is no such interface, it has no other end, or that is in another namespace.
    pub fn peer_of(&self, interface: &str, outside: &Self) -> Result<u32> {
        let inside = self.run(|| Interface::find(&interface.into()))?;
        let peer = inside
            .link
            .filter(|&peer| peer != inside.index)
            .with_context(|| format!("interface `{interface}` has no end outside of the pod"))?;
        let ends = outside.run(|| Interface::all().context("listing the network interfaces"))?;
        // Numbers are unique within a namespace only: each end must name the other.
        ends.iter()
            .find(|end| end.index == peer && end.link == Some(inside.index))
            .map(|end| end.index)
            .with_context(|| format!("the other end of `{interface}` is not on the host"))
    }
}

/// The index of the interface that holds one of `addresses` here.
fn index_with(addresses: &[IpAddr]) -> io::Result<Option<u32>> {
    let mut found = None;
    dump(RTM_GETADDR, &AddressMessage::default(), |reply| {
        let Ok((message, rest)) = AddressMessage::read_from_prefix(reply) else {
            return;
        };
        // Of a point-to-point link, IFA_ADDRESS is the other end.
        let value = |wanted| attributes(rest).find(|&(kind, _)| kind == wanted);
        let own = value(IFA_LOCAL).or_else(|| value(IFA_ADDRESS));
        let address = own.and_then(|(_, bytes)| address(bytes));
        if found.is_none() && address.is_some_and(|address| addresses.contains(&address)) {
            found = Some(message.index);
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
    fn the_loopback_interface_has_no_other_end() {
        let own = OpenNetns::current().unwrap();
        let error = own.peer_of("lo", &own).unwrap_err().to_string();
        assert!(error.starts_with("interface `lo` has no end"), "{error}");
    }
}
