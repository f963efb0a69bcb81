//! Crafts tunnels around frames, for the tests of the walk and of the program.

use crate::frame::{Frame, Network};

/// A kind of tunnel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tunnel {
    pub(crate) name: &'static str,
    /// Whether it carries Ethernet frames, or else IP packets.
    ethernet: bool,
    /// The outer IP header's protocol, for an inner packet of IPv6 or not.
    protocol: fn(v6: bool) -> u8,
    /// All between the outer IP header and what is carried.
    header: fn(v6: bool, inner: usize) -> Vec<u8>,
}

/// The IP header that carries a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outer {
    V4,
    /// IPv4 with all the options there can be.
    V4Options,
    V6,
    /// IPv6 with the destination options that Linux puts before IP in IP (RFC 2473 section 4.1.1).
    V6Limit,
}

pub(crate) const OUTERS: [Outer; 4] = [Outer::V4, Outer::V4Options, Outer::V6, Outer::V6Limit];

pub(crate) const VXLAN: Tunnel = Tunnel {
    name: "VXLAN",
    ethernet: true,
    protocol: |_| 17,
    header: |_, inner| udp(4789, &[0x08, 0, 0, 0, 0, 0, 7, 0], inner),
};

const fn gre(name: &'static str, header: fn(bool, usize) -> Vec<u8>, ethernet: bool) -> Tunnel {
    Tunnel {
        name,
        ethernet,
        protocol: |_| 47,
        header,
    }
}

/// Every kind that is taken off.
pub(crate) const TUNNELS: [Tunnel; 11] = [
    VXLAN,
    Tunnel {
        name: "Geneve",
        header: |_, inner| udp(6081, &[0, 0, 0x65, 0x58, 0, 0, 7, 0], inner),
        ..VXLAN
    },
    Tunnel {
        name: "Geneve with options, IP",
        ethernet: false,
        header: |v6, inner| {
            let [high, low] = ip_type(v6);
            let mut header = vec![8, 0x40, high, low, 0, 0, 7, 0];
            header.extend([0xaa; 32]);
            udp(6081, &header, inner)
        },
        ..VXLAN
    },
    gre("GRE", |v6, _| [[0, 0], ip_type(v6)].concat(), false),
    gre(
        "GRE with checksum, key, sequence number",
        |v6, _| {
            let mut header = [[0xb0, 0], ip_type(v6)].concat();
            header.extend([0x5a; 12]);
            header
        },
        false,
    ),
    gre(
        "GRE, Ethernet",
        |_, _| vec![0x20, 0, 0x65, 0x58, 0, 0, 0, 7],
        true,
    ),
    gre("ERSPAN I", |_, _| vec![0, 0, 0x88, 0xbe], true),
    gre(
        "ERSPAN II",
        |_, _| {
            let mut header = vec![0x10, 0, 0x88, 0xbe, 0, 0, 0, 1];
            header.extend([0x10, 0x01, 0x18, 0x64, 0, 0, 0, 5]);
            header
        },
        true,
    ),
    gre("ERSPAN III", |_, _| erspan_iii([0, 0]), true),
    gre(
        "ERSPAN III, IP, with the platform's header",
        |_, _| {
            let mut header = erspan_iii([2 << 2, 1]);
            header.extend([0x77; 8]);
            header
        },
        false,
    ),
    Tunnel {
        name: "IP in IP",
        ethernet: false,
        protocol: |v6| if v6 { 41 } else { 4 },
        header: |_, _| Vec::new(),
    },
];

fn udp(port: u16, header: &[u8], inner: usize) -> Vec<u8> {
    let len = u16::try_from(8 + header.len() + inner).unwrap();
    let mut bytes = 50_000_u16.to_be_bytes().to_vec();
    bytes.extend(port.to_be_bytes());
    bytes.extend(len.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(header);
    bytes
}

fn erspan_iii(end: [u8; 2]) -> Vec<u8> {
    let mut header = vec![0x10, 0, 0x22, 0xeb, 0, 0, 0, 1];
    header.extend([0x20, 0x01, 0x18, 0x64, 1, 2, 3, 4, 0, 0]);
    header.extend(end);
    header
}

const fn ip_type(v6: bool) -> [u8; 2] {
    if v6 { [0x86, 0xdd] } else { [0x08, 0x00] }
}

impl Tunnel {
    /// The Ethernet frame that carries this one.
    pub(crate) fn around(self, outer: Outer, frame: &Frame) -> Vec<u8> {
        let v6 = matches!(frame.network, Network::V6 { .. });
        let inner = Frame {
            ethernet: self.ethernet,
            ..frame.clone()
        };
        self.around_bytes(outer, v6, &inner.bytes())
    }

    /// The Ethernet frame that carries these bytes, an Ethernet frame or an IP packet.
    pub(crate) fn around_bytes(self, outer: Outer, v6: bool, inner: &[u8]) -> Vec<u8> {
        let mut carried = (self.header)(v6, inner.len());
        carried.extend(inner);
        let protocol = (self.protocol)(v6);
        let len = |of: usize| u16::try_from(of).unwrap().to_be_bytes();
        let mut bytes = vec![0x04; 12];
        match outer {
            Outer::V4 | Outer::V4Options => {
                let options = if outer == Outer::V4 { 0 } else { 40 };
                bytes.extend([0x08, 0, 0x45 + u8::try_from(options / 4).unwrap(), 0]);
                bytes.extend(len(20 + options + carried.len()));
                bytes.extend([0, 1, 0, 0, 64, protocol, 0, 0]);
                bytes.extend([192, 168, 9, 1, 192, 168, 9, 2]);
                bytes.extend(vec![1; options]);
            }
            Outer::V6 | Outer::V6Limit => {
                let limit = outer == Outer::V6Limit;
                bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
                bytes.extend(len(carried.len() + if limit { 8 } else { 0 }));
                bytes.extend([if limit { 60 } else { protocol }, 64]);
                bytes.extend([0xfe; 32]);
                if limit {
                    bytes.extend([protocol, 0, 4, 1, 4, 1, 1, 0]);
                }
            }
        }
        bytes.extend(carried);
        bytes
    }
}
