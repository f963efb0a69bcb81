//! What a port that receives copies is: its station, and who else has a part in it.

use std::io;

use zerocopy::FromBytes as _;

use super::{
    interface::{LinkMessage, RTM_GETLINK},
    rtnetlink::{attributes, dump, text},
};

const IFLA_ADDRESS: u16 = 1;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_PROMISCUITY: u16 = 30;

/// What the kernel says of the port.
#[derive(Debug, Default)]
pub(in crate::live) struct Port {
    pub(in crate::live) station: Option<[u8; 6]>,
    /// What it is a port of: a bridge, a bond.
    pub(in crate::live) master: Option<u32>,
    pub(in crate::live) kind: String,
    /// How many have asked for frames to other stations.
    pub(in crate::live) promiscuity: u32,
}

impl Port {
    /// Of the interface of this number in the calling thread's network namespace.
    pub(in crate::live) fn of(index: u32) -> io::Result<Self> {
        let mut port = Self::default();
        dump(RTM_GETLINK, &LinkMessage::default(), |reply| {
            let Ok((link, rest)) = LinkMessage::read_from_prefix(reply) else {
                return;
            };
            if link.index == index {
                port = Self::read(rest);
            }
        })?;
        Ok(port)
    }

    fn read(message: &[u8]) -> Self {
        let mut port = Self::default();
        let number = |value| u32::read_from_bytes(value).ok();
        for (kind, value) in attributes(message) {
            match kind {
                IFLA_ADDRESS => port.station = value.try_into().ok(),
                IFLA_MASTER => port.master = number(value),
                IFLA_PROMISCUITY => port.promiscuity = number(value).unwrap_or_default(),
                IFLA_LINKINFO => {
                    let mut info = attributes(value);
                    let found = info.find(|&(kind, _)| kind == IFLA_INFO_KIND);
                    port.kind = found.map(|(_, name)| text(name)).unwrap_or_default();
                }
                _ => {}
            }
        }
        port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_wherever_they_stand() {
        let message = [
            &[8, 0, 10, 0, 7, 0, 0, 0][..], // master 7
            &[10, 0, 1, 0, 2, 0, 0, 0, 0, 9, 0, 0],
            &[16, 0, 18, 0, 9, 0, 1, 0],
            b"veth\0\0\0\0",
            &[8, 0, 30, 0, 1, 0, 0, 0],
        ];
        let port = Port::read(&message.concat());
        assert_eq!(port.station, Some([2, 0, 0, 0, 0, 9]));
        assert_eq!(port.master, Some(7));
        assert_eq!((port.kind.as_str(), port.promiscuity), ("veth", 1));
        assert_eq!(Port::read(&[1, 0]).station, None);
    }
}
