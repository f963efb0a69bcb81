//! Crafts frames, right or wrong in one field, for the tests of the walk and of the program.

/// A TCP segment in a frame. Fields that are `None` get the value that makes the frame right.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Without it the frame begins with the IP header.
    pub(crate) ethernet: bool,
    /// The types of VLAN tags, outermost first.
    pub(crate) vlans: Vec<u16>,
    pub(crate) network: Network,
    /// The IPv4 total length or the IPv6 payload length.
    pub(crate) ip_len: Option<u16>,
    pub(crate) version: Option<u8>,
    pub(crate) protocol: u8,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) sequence: u32,
    pub(crate) acknowledgment: u32,
    pub(crate) flags: u8,
    pub(crate) urgent: u16,
    /// In units of 4 bytes.
    pub(crate) data_offset: Option<u8>,
    /// A multiple of 4 bytes.
    pub(crate) tcp_options: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    /// Bytes behind the IP packet.
    pub(crate) padding: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Network {
    V4 {
        source: [u8; 4],
        destination: [u8; 4],
        /// In units of 4 bytes.
        header_len: Option<u8>,
        /// A multiple of 4 bytes.
        options: Vec<u8>,
        /// Flags and fragment offset.
        fragment: u16,
    },
    V6 {
        source: [u8; 16],
        destination: [u8; 16],
        /// Type and bytes of each extension header; the first byte is filled in.
        extensions: Vec<(u8, Vec<u8>)>,
    },
}

pub(crate) const IPV4: Network = Network::V4 {
    source: [10, 0, 0, 1],
    destination: [10, 0, 0, 2],
    header_len: None,
    options: Vec::new(),
    fragment: 0x4000,
};

pub(crate) const IPV6: Network = Network::V6 {
    source: [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    destination: [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
    extensions: Vec::new(),
};

/// An extension header of `len` bytes (a multiple of 8, for AH of 4).
pub(crate) fn extension(kind: u8, len: usize) -> (u8, Vec<u8>) {
    let mut bytes = vec![0; len];
    bytes[1] = u8::try_from(match kind {
        44 => 0,
        51 => len / 4 - 2,
        _ => len / 8 - 1,
    })
    .unwrap();
    (kind, bytes)
}

/// An IPv6 fragment header with this offset and "more" field.
pub(crate) fn fragment(field: u16) -> (u8, Vec<u8>) {
    let (kind, mut bytes) = extension(44, 8);
    bytes[2..4].copy_from_slice(&field.to_be_bytes());
    (kind, bytes)
}

pub(crate) fn ipv6_with(headers: Vec<(u8, Vec<u8>)>) -> Network {
    let Network::V6 {
        source,
        destination,
        ..
    } = IPV6
    else {
        unreachable!()
    };
    Network::V6 {
        source,
        destination,
        extensions: headers,
    }
}

impl Default for Frame {
    /// A request's first segment, 10.0.0.1:40000 to 10.0.0.2:8080.
    fn default() -> Self {
        Self {
            ethernet: true,
            vlans: Vec::new(),
            network: IPV4,
            ip_len: None,
            version: None,
            protocol: 6,
            source_port: 40_000,
            destination_port: 8080,
            sequence: 0x0102_0304,
            acknowledgment: 0x0506_0708,
            flags: 0x18,
            urgent: 0,
            data_offset: None,
            tcp_options: Vec::new(),
            payload: b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            padding: 0,
        }
    }
}

impl Frame {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        if self.ethernet {
            frame.extend([0x02; 12]);
            for (tag, vlan) in self.vlans.iter().zip(1_u16..) {
                frame.extend(tag.to_be_bytes());
                frame.extend(vlan.to_be_bytes());
            }
            frame.extend(match self.network {
                Network::V4 { .. } => [0x08, 0x00],
                Network::V6 { .. } => [0x86, 0xdd],
            });
        }
        let tcp = self.tcp();
        frame.extend(self.ip(tcp.len()));
        frame.extend(tcp);
        frame.resize(frame.len() + self.padding, 0xee);
        frame
    }

    fn ip(&self, tcp_len: usize) -> Vec<u8> {
        let len = |right: usize| {
            self.ip_len
                .unwrap_or_else(|| u16::try_from(right).unwrap_or(0))
        };
        match &self.network {
            Network::V4 {
                source,
                destination,
                header_len,
                options,
                fragment,
            } => {
                let right = 20 + options.len();
                let words = header_len.unwrap_or_else(|| u8::try_from(right / 4).unwrap());
                let mut ip = vec![self.version.unwrap_or(4) << 4 | words, 0];
                ip.extend(len(right + tcp_len).to_be_bytes());
                ip.extend([0, 1]);
                ip.extend(fragment.to_be_bytes());
                ip.extend([64, self.protocol, 0, 0]);
                ip.extend(source);
                ip.extend(destination);
                ip.extend(options);
                ip
            }
            Network::V6 {
                source,
                destination,
                extensions,
            } => {
                let mut next: Vec<u8> = extensions.iter().map(|(kind, _)| *kind).collect();
                next.push(self.protocol);
                let extended: usize = extensions.iter().map(|(_, bytes)| bytes.len()).sum();
                let mut ip = vec![self.version.unwrap_or(6) << 4, 0, 0, 0];
                ip.extend(len(extended + tcp_len).to_be_bytes());
                ip.extend([next[0], 64]);
                ip.extend(source);
                ip.extend(destination);
                for ((_, bytes), following) in extensions.iter().zip(&next[1..]) {
                    ip.push(*following);
                    ip.extend(&bytes[1..]);
                }
                ip
            }
        }
    }

    fn tcp(&self) -> Vec<u8> {
        let words = u8::try_from((20 + self.tcp_options.len()) / 4).unwrap();
        let mut tcp = Vec::new();
        tcp.extend(self.source_port.to_be_bytes());
        tcp.extend(self.destination_port.to_be_bytes());
        tcp.extend(self.sequence.to_be_bytes());
        tcp.extend(self.acknowledgment.to_be_bytes());
        tcp.extend([self.data_offset.unwrap_or(words) << 4, self.flags]);
        tcp.extend([0xff, 0xff, 0, 0]);
        tcp.extend(self.urgent.to_be_bytes());
        tcp.extend(&self.tcp_options);
        tcp.extend(&self.payload);
        tcp
    }
}
