//! The transport layer: the TCP header (RFC 9293 section 3.1).

use super::{Carried, LoadBytes, Stop, TcpSegment, Unparsable, header};
use crate::record::MAX_SEGMENT;

const TCP_HEADER: usize = 20;
/// The most bytes of options that a header has, and so the most options.
const MOST_OPTIONS: usize = 40;

/// The segment in the bytes that IP carries.
#[inline(always)]
pub(super) fn segment<P: LoadBytes + ?Sized>(
    packet: &P,
    carried: &Carried,
) -> Result<TcpSegment, Stop> {
    let [
        sp0,
        sp1,
        dp0,
        dp1,
        s0,
        s1,
        s2,
        s3,
        a0,
        a1,
        a2,
        a3,
        data_offset,
        flags,
        _,
        _,
        _,
        _,
        u0,
        u1,
    ] = header::<TCP_HEADER, _>(packet, carried.start)?;
    let header_len = usize::from(data_offset >> 4) * 4;
    let payload_offset = carried.start + header_len;
    if header_len < TCP_HEADER || payload_offset > carried.end {
        return Err(Stop::Unparsable(Unparsable::Malformed));
    }
    let payload_len = carried.end - payload_offset;
    if payload_len > MAX_SEGMENT {
        return Err(Stop::Unparsable(Unparsable::Malformed));
    }
    Ok(TcpSegment {
        network: carried.network,
        network_offset: carried.network_offset,
        source_port: u16::from_be_bytes([sp0, sp1]),
        destination_port: u16::from_be_bytes([dp0, dp1]),
        sequence: u32::from_be_bytes([s0, s1, s2, s3]),
        acknowledgment: u32::from_be_bytes([a0, a1, a2, a3]),
        flags,
        urgent: u16::from_be_bytes([u0, u1]),
        options_len: header_len - TCP_HEADER,
        payload_offset,
        payload_len,
    })
}

impl TcpSegment {
    /// Whether it has no options, or timestamps alone as Linux lays them out (RFC 7323 appendix A): what
    /// almost all segments have that are neither SYN nor sent while others are missing.
    #[must_use]
    #[inline(always)]
    pub fn has_usual_options<P: LoadBytes + ?Sized>(&self, packet: &P) -> bool {
        const TIMESTAMPS: [u8; 4] = [1, 1, 8, 10];
        match self.options_len {
            0 => true,
            12 => packet.load(self.payload_offset - 12) == Some(TIMESTAMPS),
            _ => false,
        }
    }

    /// Whether it has the option of Multipath TCP (RFC 8684 section 3). Of a SYN this means only that
    /// its sender offers it; on all else, that both ends speak it.
    #[must_use]
    #[inline(always)]
    pub fn has_multipath_option<P: LoadBytes + ?Sized>(&self, packet: &P) -> bool {
        let from = self.payload_offset - self.options_len;
        search_multipath_option(packet, from, self.payload_offset)
    }
}

/// Whether the option of Multipath TCP is among the TCP options from `at` to `end`.
#[must_use]
#[inline(always)]
pub fn search_multipath_option<P: LoadBytes + ?Sized>(
    packet: &P,
    mut at: usize,
    end: usize,
) -> bool {
    const END: u8 = 0;
    const PADDING: u8 = 1;
    const MULTIPATH: u8 = 30;
    for _ in 0..MOST_OPTIONS {
        if at >= end {
            return false;
        }
        // Behind the last option's one byte is the payload.
        let Some([kind, len]) = packet.load(at) else {
            return false;
        };
        if kind == MULTIPATH {
            return true;
        }
        let len = if kind == PADDING { 1 } else { len };
        if kind == END || (kind != PADDING && len < 2) {
            return false;
        }
        at = packet.forget(at + usize::from(len));
    }
    false
}
