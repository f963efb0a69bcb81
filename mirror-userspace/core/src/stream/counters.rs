//! What became of every segment, byte and connection.

use super::Close;
use crate::counters::sum::{counters, reasons};

counters! {
    /// The counters of reassembly.
    ///
    /// At every moment
    ///
    /// ```text
    /// payload = delivered + duplicate + urgent + ignored + queued
    ///         + lost.{reset, after_fin, unconfirmed, conflicting}
    /// opened  = closed (all reasons) + open
    /// ```
    ///
    /// where `queued` are payload bytes behind holes, or not acknowledged yet. Each byte that is
    /// missing from a stream (in `lost`, all but `reset` and `after_fin`) has been told to the consumer as
    /// a part of a `Gap`.
    #[derive(Copy)]
    FlowCounters {
        /// Segments handed to reassembly.
        segments: u64,
        /// Segments that had to be queued behind a hole.
        queued_segments: u64,
        /// Segments that no server takes, by why.
        implausible: Implausible,
        /// SYNs on an open connection that are not its own. They end nothing: data that follows does.
        proposed: u64,
        /// Segments from servers to clients. Not part of `payload`.
        from_server: u64,
        /// Segments of connections that had ended: old duplicates, mostly.
        late_segments: u64,
        /// FIN, RST and empty segments of unknown connections.
        unknown_segments: u64,
        /// Segments that opened no connection for want of memory.
        refused_segments: u64,
        /// Resets that missed the stream's position and were not believed (RFC 5961 section 3).
        doubtful_resets: u64,

        /// Payload bytes handed in.
        payload: u64,
        /// Payload bytes delivered in order.
        delivered: u64,
        /// Payload bytes whose place had been passed (delivered or given up) or was already queued.
        duplicate: u64,
        /// Urgent bytes, which are not part of the stream.
        urgent: u64,
        /// Payload bytes of implausible, late and refused segments, and of resets.
        ignored: u64,

        /// Connections that were opened.
        opened: u64,
        /// Those of them that were picked up in the middle: no SYN was seen.
        midstream: u64,
        /// Connections that have ended, by how.
        closed: ClosedBy,
        /// Gaps in a stream that were given up and reported as `Gap` events.
        gaps: u64,
        /// Bytes that did not reach the consumer.
        lost: BytesLost,
    }
}

reasons! {
    /// Segments that no server takes, by why.
    Implausible {
        /// Their sequence number is more than 32 MiB from where the stream is.
        sequence,
        /// They have no ACK (RFC 9293 section 3.10.7.4: dropped), and are neither SYN nor RST.
        no_ack,
        /// SYN with FIN or RST.
        syn_flags,
        /// They came again with other bytes when the server's kernel, which was asked, had not taken them: their
        /// checksum was wrong, or they were older than others (RFC 7323's PAWS). The later ones count. Only with
        /// [`Confirm::Ack`](super::Confirm::Ack).
        never_taken,
        /// Servers' acknowledgments of what is more than 32 MiB ahead of what was seen.
        acknowledgment,
    }
}

reasons! {
    /// Connections by how they ended; see [`Close`].
    ClosedBy {
        /// Connections that the client finished (FIN).
        fin,
        /// Connections that the client aborted (RST).
        reset,
        /// Connections whose 4-tuple was taken by a new SYN and data behind it.
        reused,
        /// Connections on which nothing arrived for the idle timeout.
        idle,
        /// Connections evicted to make room.
        evicted,
        /// Connections of an interface that is no longer mirrored.
        detached,
        /// Connections that were open when the mirror stopped.
        shutdown,
    }
}

reasons! {
    /// Bytes lost, by why.
    BytesLost {
        /// Missing; given up when [`Limits::gap_wait`](super::Limits::gap_wait) was over, or as the server had them.
        gap,
        /// Missing; given up because there was no room for what stood behind.
        over_budget,
        /// Missing: cut off by the capture's snap length.
        cut,
        /// Missing; given up when the connection ended with [`Close::Idle`].
        idle,
        /// Missing; given up when the connection ended with [`Close::Evicted`].
        evicted,
        /// Missing; given up when the connection ended with [`Close::Reused`].
        reused,
        /// Missing; given up when the connection ended with [`Close::Detached`].
        detached,
        /// Missing; given up when the connection ended with [`Close::Shutdown`].
        shutdown,
        /// Captured, but never acknowledged by the server; told as gaps. Only with
        /// [`Confirm::Ack`](super::Confirm::Ack).
        unconfirmed,
        /// Captured, but sent again with other content before the server acknowledged it, so that it can't be told
        /// which it took; told as gaps. Only with [`Confirm::Ack`](super::Confirm::Ack).
        conflicting,
        /// Captured, but behind a hole when the client aborted, and never acknowledged: the server never
        /// read them either. Only where the server is heard.
        reset,
        /// Captured, but behind the end that the client had declared.
        after_fin,
    }
}

/// Why bytes are missing from a stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Missing {
    /// Waited for long enough.
    TimedOut,
    /// No room for what stands behind.
    OverBudget,
    /// Cut off by the snap length.
    Cut,
    /// The connection ended, for this reason.
    Closed(Close),
}

impl ClosedBy {
    pub(super) fn count(&mut self, why: Close) {
        let counter = match why {
            Close::Fin => &mut self.fin,
            Close::Reset => &mut self.reset,
            Close::Reused => &mut self.reused,
            Close::Idle => &mut self.idle,
            Close::Evicted => &mut self.evicted,
            Close::Detached => &mut self.detached,
            Close::Shutdown => &mut self.shutdown,
        };
        *counter += 1;
    }
}

impl BytesLost {
    pub(super) fn count(&mut self, why: Missing, bytes: u64) {
        let counter = match why {
            Missing::TimedOut => &mut self.gap,
            Missing::OverBudget => &mut self.over_budget,
            Missing::Cut => &mut self.cut,
            Missing::Closed(Close::Idle) => &mut self.idle,
            Missing::Closed(Close::Evicted) => &mut self.evicted,
            Missing::Closed(Close::Reused) => &mut self.reused,
            Missing::Closed(Close::Detached) => &mut self.detached,
            // An end by FIN or RST gives no hole up: the one is in the stream, the other drops it.
            Missing::Closed(Close::Shutdown | Close::Fin | Close::Reset) => &mut self.shutdown,
        };
        *counter += bytes;
    }

    /// Bytes that were told to consumers as gaps.
    #[must_use]
    pub const fn missing(&self) -> u64 {
        self.gap
            + self.unconfirmed
            + self.conflicting
            + self.over_budget
            + self.cut
            + self.idle
            + self.evicted
            + self.reused
            + self.detached
            + self.shutdown
    }
}
