//! The four namespaces of a lab, their links and their addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Result, ensure};
use nix::unistd::geteuid;

use super::{Namespace, cleanup, namespace::ip_batch, packages};

/// Who takes part, besides the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// The host that sends requests.
    Client,
    /// The pod whose traffic is mirrored.
    V1,
    /// The host of v2, the mirror target.
    V2,
}

/// The version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4, in 10.77.0.0/24.
    V4,
    /// IPv6, in fd00:77::/64.
    V6,
}

impl Host {
    const ALL: [Self; 3] = [Self::Client, Self::V1, Self::V2];

    /// The name of the host's port on the bridge, which is the end of its namespace's name, too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Client => 2,
            Self::V1 => 10,
            Self::V2 => 20,
        }
    }

    /// The host's address; the same in every lab, as labs do not see each other.
    pub fn ip(self, family: Family) -> IpAddr {
        address(family, self.number())
    }

    /// The host's address with a port.
    pub fn address(self, family: Family, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip(family), port)
    }
}

pub(super) fn address(family: Family, number: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(10, 77, 0, number).into(),
        Family::V6 => Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, number.into()).into(),
    }
}

/// A running lab; all of it goes when this value is dropped.
///
/// Every host has the interface `eth0`; on the node its other end is named as the host is.
#[derive(Debug)]
pub struct Lab {
    /// The node, with the bridge and an address of its own: podmirror runs here.
    pub node: Namespace,
    /// The namespace of the client, which asks v1.
    pub client: Namespace,
    /// The pod whose traffic is mirrored.
    pub v1: Namespace,
    /// The namespace of v2, the mirror target.
    pub v2: Namespace,
}

impl Lab {
    /// A lab with an MTU of 1 500 bytes and segmentation offload as the kernel has it (on).
    ///
    /// # Errors
    ///
    /// Without root, or when the kernel has no veth or no bridge.
    pub fn new() -> Result<Self> {
        Self::with_mtu(1_500)
    }

    /// A lab with another MTU, in bytes.
    ///
    /// # Errors
    ///
    /// As [`Lab::new`], and when the MTU is below IPv6's least, 1 280.
    pub fn with_mtu(mtu: u32) -> Result<Self> {
        ensure!(
            geteuid().is_root(),
            "network namespaces need root: run this as root (`sudo -E`)"
        );
        packages::require("ip")?;
        cleanup::remove_stale();
        let number = cleanup::next_number();
        let create = |role| Namespace::create(cleanup::unique_name(number, role));
        let lab = Self {
            node: create("node")?,
            client: create("client")?,
            v1: create("v1")?,
            v2: create("v2")?,
        };
        lab.connect(mtu)?;
        Ok(lab)
    }

    /// The namespace of a host.
    pub fn namespace(&self, host: Host) -> &Namespace {
        match host {
            Host::Client => &self.client,
            Host::V1 => &self.v1,
            Host::V2 => &self.v2,
        }
    }

    fn connect(&self, mtu: u32) -> Result<()> {
        // `nodad`: an IPv6 address would otherwise be unusable for its first second.
        let mut node = format!(
            "link add lab0 type bridge forward_delay 0\n\
             link set lab0 mtu {mtu} up\n\
             address add {}/24 dev lab0\n\
             address add {}/64 dev lab0 nodad\n",
            address(Family::V4, 1),
            address(Family::V6, 1)
        );
        let mut links = String::new();
        for host in Host::ALL {
            links += &format!(
                "link add eth0 netns {} mtu {mtu} type veth peer name {} netns {} mtu {mtu}\n",
                self.namespace(host).name(),
                host.name(),
                self.node.name()
            );
            node += &format!("link set {} master lab0 up\n", host.name());
        }
        ip_batch(std::process::Command::new("ip"), &links)?;
        self.node.ip(&node)?;
        for host in Host::ALL {
            self.namespace(host).ip(&format!(
                "address add {}/24 dev eth0\n\
                 address add {}/64 dev eth0 nodad\n\
                 link set eth0 up",
                host.ip(Family::V4),
                host.ip(Family::V6)
            ))?;
        }
        Ok(())
    }
}
