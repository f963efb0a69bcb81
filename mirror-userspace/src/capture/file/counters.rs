//! What a capture file held, segment or not.

use std::collections::BTreeMap;

use super::{FragmentCounters, LinkType};

/// The packets of a capture file, by what became of them.
///
/// At the end of the file, `packets` and the whole datagrams that fragments made are together the
/// sum of `segments`, `no_payload`, `other_port`, `from_server`, `not_tcp`, `unparsable`, all of `unread_links` and
/// all fragments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileCounters {
    /// Packets read.
    pub packets: u64,
    /// Segments given out.
    pub segments: u64,
    /// Segments without payload, SYN, FIN or RST.
    pub no_payload: u64,
    /// Segments to a port that was not asked for.
    pub other_port: u64,
    /// Segments that the server of a connection sent.
    pub from_server: u64,
    /// Packets that are not TCP over IP.
    pub not_tcp: u64,
    /// Packets with headers that contradict themselves or were cut by the snap length.
    pub unparsable: u64,
    /// Packets of link types that are not read, by type.
    pub unread_links: BTreeMap<LinkType, u64>,
    /// IP fragments.
    pub fragments: FragmentCounters,
    /// pcapng blocks that contradict themselves; not among `packets`.
    pub malformed_records: u64,
    /// Packets claimed to be longer than 1 MiB; not among `packets`.
    pub oversized_packets: u64,
}

impl FileCounters {
    /// Counts a packet of a link type that is not read, with one warning for each type.
    pub(super) fn count_unread_link(&mut self, link: LinkType) {
        let count = self.unread_links.entry(link).or_default();
        if *count == 0 {
            log::warn!("link type {link} is not read: its packets are left out");
        }
        *count += 1;
    }
}
