//! Ports that receive nothing but copies: what is asked of them, and what is to be known of one
//! before a program that ends frames comes to it.

use anyhow::{Context as _, Result, bail, ensure};
use mirror_common::{packet::Tunnels, settings::TapSettings};

use crate::live::netlink::{Interface, LinkLayer, Port, has_address};

/// A port that receives copies: of a switch (SPAN), a TAP, a cloud's traffic mirroring, `tc mirred`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tap {
    /// The tunnels that copies come in.
    pub tunnels: Tunnels,
    /// Whether copies go on to the network stack, or end at the port: no socket buffer is made for
    /// them then. Copies are frames to other stations, and all that comes in a tunnel.
    pub pass: bool,
}

impl Tap {
    /// What the program is told, once it is sure that ending copies there cuts nobody off. To be
    /// called in the interface's namespace.
    ///
    /// # Errors
    ///
    /// The interface has no Ethernet address, or hands its frames on to a bridge.
    pub(in crate::live) fn settings(&self, interface: &Interface) -> Result<TapSettings> {
        let name = &interface.name;
        ensure!(
            interface.link_layer()? == LinkLayer::Ethernet,
            "`{name}` has no Ethernet frames, which --attach xdp reads: use --attach ingress"
        );
        let port = Port::of(interface.index).context("asking for the interface's properties")?;
        let own = port
            .station
            .with_context(|| format!("`{name}` has no Ethernet address"))?;
        if let Some(master) = port.master
            && !self.pass
        {
            bail!(
                "`{name}` is a port of interface number {master}, which forwards what it receives: \
                 --attach xdp would end it. Give a port that receives nothing but copies, or --pass"
            );
        }
        if port.kind == "veth" && has_address(interface.index)? {
            log::warn!(
                "`{name}` is a veth with an address: on a pod's own interface XDP turns segmentation \
                 offload off, and uploads of 15 to 20 Gbit/s fall to 5.5: use --attach ingress there"
            );
        } else if port.kind != "veth" && port.promiscuity == 0 {
            log::warn!(
                "`{name}` is not promiscuous: a network card hands on only frames to its own address, \
                 which is enough for copies in tunnels; for others: ip link set {name} promisc on"
            );
        }
        Ok(TapSettings {
            own,
            pass: self.pass.into(),
            reserved: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAP: Tap = Tap {
        tunnels: Tunnels {
            vxlan: 4789,
            geneve: 0,
        },
        pass: false,
    };

    #[test]
    fn the_ports_own_address_is_told() {
        // The loopback interface, which every namespace has: all zeros.
        let lo = Interface::find(&"lo".into()).unwrap();
        let settings = TAP.settings(&lo).unwrap();
        assert_eq!(settings.own, [0; 6]);
        assert_eq!(settings.pass, 0);
        let pass = Tap { pass: true, ..TAP };
        assert_eq!(pass.settings(&lo).unwrap().pass, 1);
    }
}
