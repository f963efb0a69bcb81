//! The transport layer: the TCP header (RFC 9293 section 3.1).

use super::{Carried, LoadBytes, Stop, TcpSegment, Unparsable, header};
use crate::record::MAX_SEGMENT;

const TCP_HEADER: usize = 20;

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
        payload_offset,
        payload_len,
    })
}
