//! The vocabulary of the capture path: what every later stage knows of a TCP segment.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    ops::{Add, Sub},
    time::Duration,
};

use mirror_common::record::flag;

/// A moment on the capture's own clock, in nanoseconds: `CLOCK_MONOTONIC` for live capture, since
/// the Unix epoch for capture files. The core never reads a clock; it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The moment `nanos` nanoseconds after the clock's zero.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's zero.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it lies in the future (capture clocks step back).
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, wait: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

/// A TCP sequence number (RFC 9293 section 3.4). Arithmetic wraps; distances are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNum(pub u32);

impl SeqNum {
    /// Whether `self` comes before `other` in sequence space.
    #[must_use]
    pub const fn precedes(self, other: Self) -> bool {
        self.distance_from(other) < 0
    }

    /// How far `self` is after `other`, in bytes; negative if it is before.
    #[must_use]
    pub const fn distance_from(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }
}

impl Add<u32> for SeqNum {
    type Output = Self;

    fn add(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl Sub<u32> for SeqNum {
    type Output = Self;

    fn sub(self, bytes: u32) -> Self {
        Self(self.0.wrapping_sub(bytes))
    }
}

/// One end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The address; IPv4 as IPv4-mapped (RFC 4291 section 2.5.5.2).
    pub address: [u8; 16],
    /// The TCP port, in the host's byte order.
    pub port: u16,
}

impl Endpoint {
    /// The address as the user knows it: IPv4-mapped addresses are IPv4.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        Ipv6Addr::from(self.address).to_canonical()
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Self {
            address: ip.octets(),
            port: address.port(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.ip(), self.port).fmt(f)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A TCP connection: a client, who sends requests, and a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId {
    /// The end that sends requests.
    pub client: Endpoint,
    /// The end that answers them.
    pub server: Endpoint,
    /// Where it was seen: the same 4-tuple may exist in two network namespaces. In a capture file
    /// it is the connection's number, as the same 4-tuple may be used again.
    pub attachment: u32,
}

/// Which end of a connection sent something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The client, to the server: requests.
    #[default]
    ToServer,
    /// The server, to the client: replies, and what it acknowledges of the requests.
    ToClient,
}

/// The TCP flags that reassembly looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// A connection begins (SYN).
    #[must_use]
    pub const fn syn(self) -> bool {
        self.0 & flag::SYN != 0
    }

    /// The sender has no more data (FIN).
    #[must_use]
    pub const fn fin(self) -> bool {
        self.0 & flag::FIN != 0
    }

    /// The connection is aborted (RST).
    #[must_use]
    pub const fn rst(self) -> bool {
        self.0 & flag::RST != 0
    }

    /// The acknowledgment number counts (ACK).
    #[must_use]
    pub const fn ack(self) -> bool {
        self.0 & flag::ACK != 0
    }

    /// The urgent pointer counts (URG).
    #[must_use]
    pub const fn urg(self) -> bool {
        self.0 & flag::URG != 0
    }
}

/// A captured TCP segment, or one record of a segment that took several.
///
/// The records of one skb come as one `Segment` each: SYN stays with the first, FIN and RST with
/// the last, and only the first has [`starts_segment`](Self::starts_segment).
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// When it was captured.
    pub at: Time,
    /// The connection it belongs to, whichever end sent it.
    pub flow: FlowId,
    /// The end that sent it.
    pub direction: Direction,
    /// The sequence number that the receiver's kernel waited for when the segment came to it; none
    /// where it was not asked, or has no established connection yet.
    pub expected: Option<SeqNum>,
    /// Its sequence number: of the SYN if it has one, else of the first payload byte.
    pub seq: SeqNum,
    /// Its acknowledgment number, if it has one.
    pub ack: Option<SeqNum>,
    /// The segment's TCP flags.
    pub flags: TcpFlags,
    /// Its urgent pointer, if it has one: the urgent byte is the one *before* `seq + pointer`
    /// (as Linux reads RFC 9293 section 3.8.5).
    pub urgent: Option<u16>,
    /// Whether the payload begins where the sender's segment began.
    pub starts_segment: bool,
    /// The payload, as far as it was captured.
    pub payload: &'a [u8],
    /// The payload length on the wire. Larger than `payload` if a snap length cut it.
    pub wire_len: u32,
}

impl<'a> Segment<'a> {
    /// What a client sends, captured whole; its receiver's kernel was not asked.
    #[must_use]
    pub fn from_client(
        at: Time,
        flow: FlowId,
        seq: SeqNum,
        ack: Option<SeqNum>,
        flags: TcpFlags,
        payload: &'a [u8],
    ) -> Self {
        Self {
            at,
            flow,
            direction: Direction::ToServer,
            expected: None,
            seq,
            ack,
            flags,
            urgent: None,
            starts_segment: true,
            payload,
            wire_len: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        }
    }

    /// The sequence number of the first payload byte: a SYN takes one number itself.
    #[must_use]
    pub fn payload_seq(&self) -> SeqNum {
        self.seq + u32::from(self.flags.syn())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_wrap() {
        let before = SeqNum(u32::MAX - 1);
        let after = before + 4;
        assert_eq!(after, SeqNum(2));
        assert!(before.precedes(after));
        assert!(!after.precedes(before));
        assert_eq!(after.distance_from(before), 4);
        assert_eq!(after - 4, before);
    }

    #[test]
    fn endpoints_print_as_the_user_knows_them() {
        let v4 = Endpoint::from(SocketAddr::from(([10, 0, 0, 1], 80)));
        assert_eq!(v4.to_string(), "10.0.0.1:80");
        let v6: SocketAddr = "[fd00::1]:8080".parse().unwrap();
        assert_eq!(Endpoint::from(v6).to_string(), "[fd00::1]:8080");
    }

    #[test]
    fn a_clock_that_steps_back_gives_zero() {
        assert_eq!(
            Time::from_nanos(5).since(Time::from_nanos(9)),
            Duration::ZERO
        );
    }
}
