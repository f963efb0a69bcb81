//! The flags for requests in tunnels, in capture files.

use clap::Args;
use mirror_capture::file::usual_tunnels;
use mirror_common::packet::Tunnels;

/// Where tunnels are taken off.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct TunnelArgs {
    /// UDP ports of VXLAN, which is taken off, separated by commas [default: 4789,8472]; 0 leaves it on
    ///
    /// GRE, ERSPAN (types I, II and III) and IP in IP are taken off always; up to two tunnels, one
    /// inside the other.
    #[arg(
        long = "vxlan-port",
        value_name = "N",
        value_delimiter = ',',
        num_args = 1
    )]
    vxlan_ports: Vec<u16>,

    /// UDP ports of Geneve, which is taken off, separated by commas [default: 6081]; 0 leaves it on
    #[arg(
        long = "geneve-port",
        value_name = "N",
        value_delimiter = ',',
        num_args = 1
    )]
    geneve_ports: Vec<u16>,
}

impl TunnelArgs {
    /// The ports that were given, one of each kind at a time; `None` if none were.
    pub(super) fn tunnels(&self) -> Option<Vec<Tunnels>> {
        if self.vxlan_ports.is_empty() && self.geneve_ports.is_empty() {
            return None;
        }
        let or = |given: &[u16], usual: &[u16]| match given {
            [] => usual.to_vec(),
            given => given.to_vec(),
        };
        let usual = usual_tunnels();
        let ports_of = |port: fn(&Tunnels) -> u16| usual.iter().map(port).collect::<Vec<_>>();
        let vxlan = or(&self.vxlan_ports, &ports_of(|usual| usual.vxlan));
        let geneve = or(&self.geneve_ports, &ports_of(|usual| usual.geneve));
        let at = |ports: &[u16], place| ports.get(place).copied().unwrap_or(0);
        let pairs = (0..vxlan.len().max(geneve.len())).map(|place| Tunnels {
            vxlan: at(&vxlan, place),
            geneve: at(&geneve, place),
        });
        Some(pairs.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_is_as_usual() {
        let pairs = |vxlan: &[u16], geneve: &[u16]| {
            let args = TunnelArgs {
                vxlan_ports: vxlan.to_vec(),
                geneve_ports: geneve.to_vec(),
            };
            let tunnels = args.tunnels();
            tunnels.map(|tunnels| {
                let pairs = tunnels.iter().map(|ports| (ports.vxlan, ports.geneve));
                pairs.collect::<Vec<_>>()
            })
        };
        assert_eq!(pairs(&[], &[]), None);
        assert_eq!(pairs(&[9000], &[]), Some(vec![(9000, 6081), (0, 0)]));
        assert_eq!(pairs(&[], &[0]), Some(vec![(4789, 0), (8472, 0)]));
        assert_eq!(pairs(&[1, 2], &[3]), Some(vec![(1, 3), (2, 0)]));
    }
}
