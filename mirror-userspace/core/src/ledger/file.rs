//! The segments of a capture file, which its reader counts, as the kernel counts live ones.

use super::{Ledger, Named, Segments};
use crate::counters::FileCounters;

impl Ledger {
    /// Replaces the books' segments by those of a file, of which the pipeline `read` so many.
    ///
    /// An IP datagram put together from fragments is one segment. What can't be followed to a
    /// segment (a fragment without the others, an unknown link type) counts as one, unparsable.
    #[must_use]
    pub fn with_file(mut self, counted: &FileCounters, read: u64) -> Self {
        let fragments = &counted.fragments;
        let unparsable: Named = [
            ("headers", counted.unparsable),
            ("link_type", counted.unread_links.values().sum()),
            (
                "fragment",
                fragments.duplicates
                    + fragments.overlapping
                    + fragments.refused
                    + fragments.timed_out
                    + fragments.evicted
                    + fragments.waiting,
            ),
            ("malformed_record", counted.malformed_records),
            ("oversized", counted.oversized_packets),
        ]
        .map(|(reason, count)| (reason.to_owned(), count))
        .into();
        // All that the file had, each packet where its reader put it.
        let packets = counted.packets + counted.malformed_records + counted.oversized_packets;
        self.segments = Segments {
            seen: (packets + fragments.datagrams)
                .saturating_sub(counted.not_tcp + fragments.joined),
            other_port: counted.other_port,
            no_payload: counted.no_payload,
            from_server: counted.from_server,
            copied: counted.segments,
            read,
            implausible: self.segments.implausible,
            unparsable,
            not_tcp: counted.not_tcp,
            ..Segments::default()
        };
        self.balanced &= self.balances();
        self
    }
}
