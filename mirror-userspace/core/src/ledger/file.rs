//! The segments of a capture file, which its reader counts, as the kernel counts live ones.

use std::collections::BTreeMap;

use super::{FileBook, Ledger, Named, Segments};
use crate::counters::{FileCounters, NotRead};

/// Names in a table of the book at most; the rest is `others`.
const MOST_NAMES: usize = 10;

impl Ledger {
    /// Replaces the books' segments by those of a file, of which the pipeline `read` so many.
    ///
    /// An IP datagram put together from fragments is one segment. What can't be followed to a
    /// segment (a fragment without the others, an unknown link type) counts as one, unparsable. What else
    /// the file had is `beside`.
    #[must_use]
    pub fn with_file(mut self, counted: &FileCounters, beside: &NotRead, read: u64) -> Self {
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
            refused: [
                ("checksum", counted.bad_checksum),
                ("forged_address", counted.forged_address),
            ]
            .map(|(reason, count)| (reason.to_owned(), count))
            .into(),
            copied: counted.segments,
            read,
            implausible: self.segments.implausible,
            unparsable,
            not_tcp: counted.not_tcp,
            ..Segments::default()
        };
        self.file = Some(FileBook {
            packets,
            tunnelled: counted.tunnelled,
            not_tcp: most(&beside.frames),
            link_types: most(&beside.links),
            other_ports: most(&beside.ports),
        });
        self.balanced &= self.balances();
        self
    }
}

/// The largest counts by name, and the sum of the others.
fn most(counts: &BTreeMap<impl ToString, u64>) -> Named {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let mut most = Named::new();
    for (place, (name, count)) in counts.into_iter().enumerate() {
        let name = if place < MOST_NAMES {
            name.to_string()
        } else {
            "others".to_owned()
        };
        *most.entry(name).or_default() += count;
    }
    most
}
