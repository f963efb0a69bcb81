//! A pcapng interface: its link type, its snap length, its clock.

use mirror_core::segment::Time;
use pcap_parser::{InterfaceDescriptionBlock, OptionCode, PcapNGOption};

use super::link::LinkType;

/// Reads an integer in the section's byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ByteOrder {
    #[default]
    Little,
    Big,
}

impl ByteOrder {
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let field = bytes.get(at..at + 2)?.try_into().ok()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(field),
            Self::Big => u16::from_be_bytes(field),
        })
    }

    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let field = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(field),
            Self::Big => u32::from_be_bytes(field),
        })
    }

    fn i64(self, bytes: &[u8]) -> Option<i64> {
        let field = bytes.get(..8)?.try_into().ok()?;
        Some(match self {
            Self::Little => i64::from_le_bytes(field),
            Self::Big => i64::from_be_bytes(field),
        })
    }
}

/// An interface of the current section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interface {
    pub(super) link: LinkType,
    /// Bytes captured of a packet at most; 0 for all.
    pub(super) snap_len: u32,
    /// Ticks per second. `None` if it does not fit 128 bits: all times are then 0.
    ticks: Option<u128>,
    /// Seconds to add to every time.
    offset: i64,
}

impl Interface {
    pub(super) fn new(block: &InterfaceDescriptionBlock<'_>, order: ByteOrder) -> Self {
        let option = |code| {
            let found = block.options.iter().find(|option| option.code == code);
            found.map(PcapNGOption::value).unwrap_or_default()
        };
        let resolution = option(OptionCode::IfTsresol).first().copied().unwrap_or(6);
        let exponent = u32::from(resolution & 0x7f);
        let ticks = if resolution & 0x80 == 0 {
            10_u128.checked_pow(exponent)
        } else {
            1_u128.checked_shl(exponent)
        };
        let [_, _, high, low] = block.linktype.0.to_be_bytes();
        Self {
            link: LinkType(u16::from_be_bytes([high, low])),
            snap_len: block.snaplen,
            ticks,
            offset: order.i64(option(OptionCode::IfTsoffset)).unwrap_or(0),
        }
    }

    pub(super) fn time(&self, ticks: u64) -> Time {
        let nanos = self
            .ticks
            .and_then(|unit| (u128::from(ticks) * 1_000_000_000).checked_div(unit))
            .and_then(|nanos| i128::try_from(nanos).ok())
            .unwrap_or(0);
        let shifted = nanos + i128::from(self.offset) * 1_000_000_000;
        Time::from_nanos(u64::try_from(shifted.max(0)).unwrap_or(u64::MAX))
    }
}
