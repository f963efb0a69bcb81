//! The addresses that are this node's own: no document may have copies sent there.

use std::{net::IpAddr, sync::Once};

use anyhow::{Context as _, Result};
use mirror_capture::OpenNetns;
use mirror_dispatch::OwnAddresses;
use mirror_kubernetes::cluster::Node;

/// Reads the addresses of the agent's network namespace, and of its node's where that can be entered.
#[derive(Debug)]
pub struct NodeAddresses {
    node: Node,
    /// Said once: a namespace that can't be entered now is not going to be.
    said: Once,
}

impl NodeAddresses {
    /// A reader for the agent on this node.
    #[must_use]
    pub const fn of(node: Node) -> Self {
        Self {
            node,
            said: Once::new(),
        }
    }

    fn of_host(&self) -> Result<Vec<IpAddr>> {
        self.node.host.open()?.addresses()
    }
}

impl OwnAddresses for NodeAddresses {
    fn read(&self) -> Result<Vec<IpAddr>> {
        let own = OpenNetns::current()?.addresses();
        let mut addresses = own.context("the agent's own network")?;
        match self.of_host() {
            Ok(of_host) => addresses.extend(of_host),
            Err(error) => self.said.call_once(|| {
                log::warn!(
                    "{error:#}: documents may have copies sent to this node's own addresses, unless \
                     --deny-target names them"
                );
            }),
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use mirror_capture::Netns;
    use mirror_kubernetes::cluster::AttachAt;

    use super::*;

    #[test]
    fn our_own_addresses_are_known_even_where_the_hosts_are_not() {
        let node = |host: &str| Node {
            proc: "/proc".into(),
            host: Netns::Path(host.into()),
            attach: AttachAt::Pod,
        };
        for host in ["/proc/self/ns/net", "/no/such/netns"] {
            let addresses = NodeAddresses::of(node(host)).read().unwrap();
            assert!(addresses.contains(&Ipv4Addr::LOCALHOST.into()), "{host}");
        }
    }
}
