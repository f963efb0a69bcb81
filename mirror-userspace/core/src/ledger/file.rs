//! The segments of a capture file, which its reader counts, as the kernel counts live ones.

use std::collections::BTreeMap;

use super::{FileBook, Ledger, Named, Segments};
use crate::counters::{FileCounters, FragmentCounters, NotRead};

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
        let FileCounters {
            packets,
            segments,
            no_payload,
            other_port,
            from_server,
            bad_checksum,
            forged_address,
            tunnelled,
            not_tcp,
            unparsable,
            ref unread_links,
            fragments,
            malformed_records,
            oversized_packets,
        } = *counted;
        let FragmentCounters {
            datagrams,
            joined,
            duplicates,
            overlapping,
            refused,
            timed_out,
            waiting,
            evicted,
        } = fragments;
        let unparsable: Named = [
            ("headers", unparsable),
            ("link_type", unread_links.values().sum()),
            (
                "fragment",
                duplicates + overlapping + refused + timed_out + evicted + waiting,
            ),
            ("malformed_record", malformed_records),
            ("oversized", oversized_packets),
        ]
        .map(|(reason, count)| (reason.to_owned(), count))
        .into();
        // All that the file had, each packet where its reader put it.
        let packets = packets + malformed_records + oversized_packets;
        let NotRead {
            frames,
            links,
            ports,
        } = beside;
        self.segments = Segments {
            seen: (packets + datagrams).saturating_sub(not_tcp + joined),
            other_port,
            no_payload,
            from_server,
            refused: [
                ("checksum", bad_checksum),
                ("forged_address", forged_address),
            ]
            .map(|(reason, count)| (reason.to_owned(), count))
            .into(),
            copied: segments,
            read,
            implausible: self.segments.implausible,
            unparsable,
            not_tcp,
            ..Segments::default()
        };
        self.file = Some(FileBook {
            packets,
            tunnelled,
            not_tcp: most(frames),
            link_types: most(links),
            other_ports: most(ports),
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
