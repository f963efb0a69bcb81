//! What a capture file held, segment or not.

use std::collections::BTreeMap;

/// The packets of a capture file, by what became of them.
///
/// At the end of the file, `packets` and the whole datagrams that fragments made are together the
/// sum of `segments`, `no_payload`, `other_port`, `from_server`, `bad_checksum`, `forged_address`, `not_tcp`,
/// `unparsable`, all of `unread_links` and all fragments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileCounters {
    /// Packets read from the file, of whatever kind.
    pub packets: u64,
    /// TCP segments handed on to reassembly.
    pub segments: u64,
    /// Segments without payload, SYN, FIN or RST.
    pub no_payload: u64,
    /// Segments to a port that was not asked for.
    pub other_port: u64,
    /// Segments that the server of a connection sent.
    pub from_server: u64,
    /// Segments with a wrong checksum, from senders whose checksums are right otherwise.
    pub bad_checksum: u64,
    /// Segments of IPv6 with addresses that pass for IPv4's.
    pub forged_address: u64,
    /// Segments that came in a tunnel, which was taken off: part of the others.
    pub tunnelled: u64,
    /// Packets that are not TCP over IP.
    pub not_tcp: u64,
    /// Packets with headers that contradict themselves or were cut by the snap length.
    pub unparsable: u64,
    /// Packets of link types that are not read, by the type's number in the tcpdump.org registry.
    pub unread_links: BTreeMap<u16, u64>,
    /// What became of IP fragments.
    pub fragments: FragmentCounters,
    /// pcapng blocks that contradict themselves; not among `packets`.
    pub malformed_records: u64,
    /// Packets claimed to be longer than 1 MiB; not among `packets`.
    pub oversized_packets: u64,
}

/// What a capture file had beside segments to the wanted ports, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotRead {
    /// Packets that are not TCP over IP: all of [`not_tcp`](FileCounters::not_tcp).
    pub frames: BTreeMap<String, u64>,
    /// Packets of link types that are not read: all of [`unread_links`](FileCounters::unread_links).
    pub links: BTreeMap<String, u64>,
    /// Segments to ports that were not asked for, without those that servers are known to have sent.
    pub ports: BTreeMap<u16, u64>,
}

/// How fragments ended. Every fragment is in exactly one counter
/// ([`datagrams`](Self::datagrams) counts no fragments).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentCounters {
    /// Datagrams put together from fragments.
    pub datagrams: u64,
    /// Fragments put together into whole datagrams.
    pub joined: u64,
    /// Fragments that repeated bytes already there.
    pub duplicates: u64,
    /// Fragments of datagrams with contradicting fragments: overlaps, or two ends.
    pub overlapping: u64,
    /// Fragments that contradict themselves, or that a snap length cut.
    pub refused: u64,
    /// Fragments whose datagram did not become complete in 30 s, or before the capture ended.
    pub timed_out: u64,
    /// Fragments that wait for others: none at the end of the capture.
    pub waiting: u64,
    /// Fragments given up because too many datagrams were waiting.
    pub evicted: u64,
}
