//! One counter for each way a segment can end in the kernel program.

use crate::packet::Unparsable;

/// The number of counters per CPU and direction.
pub const COUNTERS: usize = 32;

/// A kernel-side counter: an index into the per-CPU [`Counters`].
///
/// At a quiet moment, over all CPUs, `Seen` equals the sum of `OtherPort`, `NoPayload`,
/// `SampledOut`, `Copied`, `RingFull`, all of [`Counter::REFUSED`] and all [`Unparsable`] reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// Frames that are not TCP over IP: outside the ledger's balance.
    NotTcp = 0,
    /// TCP segments that reached the program.
    Seen = 1,
    /// Segments to a port that is not mirrored.
    OtherPort = 2,
    /// Segments without payload, SYN, FIN or RST.
    NoPayload = 3,
    /// Segments that are not in the sample.
    SampledOut = 4,
    /// Segments copied whole into a ring.
    Copied = 5,
    /// Segments lost, in part or whole, because the ring had no room.
    RingFull = 6,
    /// Refused by v1's kernel: no socket has the port, though sockets answered for it before.
    NoSocket = 7,
    /// Refused by v1's kernel: data for a listener that no valid SYN cookie comes with.
    Listen = 8,
    /// Refused by v1's kernel: a SYN on a connection that exists.
    SynOnEstablished = 9,
    /// Refused by v1's kernel: out of the connection's window.
    Window = 10,
    /// Refused by v1's kernel: acknowledges nothing, or what v1 never sent.
    Ack = 11,
    /// Refused by v1's kernel: the frame is for another station.
    NotForUs = 12,
    /// Sampled segments that v1's kernel was not asked for, or had no answer for: no socket has ever had
    /// a connection on the port. Outside the balance: they end in one of the others.
    Unasked = 13,
    /// Data of a Multipath TCP connection, of which this may be one path of several.
    Multipath = 14,
    /// IPv6 with addresses of IPv4, which no kernel takes: see
    /// [`Addresses::pass_for_ipv4`](crate::packet::Addresses::pass_for_ipv4).
    ForgedAddress = 15,
    /// The first of [`Unparsable::ALL`]; the others follow in order.
    Unparsable = 16,
}

impl Counter {
    /// The reasons for which a sampled segment is refused: what v1's kernel would not take,
    /// [`Multipath`](Self::Multipath) and [`ForgedAddress`](Self::ForgedAddress).
    pub const REFUSED: [Self; 8] = [
        Self::NoSocket,
        Self::Listen,
        Self::SynOnEstablished,
        Self::Window,
        Self::Ack,
        Self::NotForUs,
        Self::Multipath,
        Self::ForgedAddress,
    ];
}

/// The slots of an attachment's counters: one for each direction, which balances by itself. Those of the
/// next [seat](crate::settings::SEATS) follow.
pub mod slot {
    /// Segments to the server.
    pub const REQUESTS: u32 = 0;
    /// Segments to the client.
    pub const REPLIES: u32 = 1;
    /// How many there are.
    pub const SLOTS: usize = 2;
}

/// The counters of one CPU, or their sum.
pub type Counters = [u64; COUNTERS];

/// The counter of a reason.
#[must_use]
#[inline(always)]
pub const fn unparsable(reason: Unparsable) -> usize {
    Counter::Unparsable as usize + reason as usize
}

const _: () = assert!(Counter::Unparsable as usize + Unparsable::ALL.len() <= COUNTERS);
