//! What became of the copies given to one target.
//!
//! At any moment `copies given = queued + sent + dropped` and
//! `sent = in_flight + answered + failed`; both gauges are zero when all is quiet.

use std::time::Duration;

use super::{
    histogram::Histogram,
    statuses::Statuses,
    sum::{counters, reasons},
};

reasons! {
    /// Copies that never began to be sent.
    Dropped {
        /// Copies dropped because too many were waiting already.
        queue_full,
        /// The target keeps failing and is left alone for a while.
        breaker_open,
        /// Copies above the configured number per second.
        max_rps,
        /// Copies that were held back from a target that showed that it was overloaded.
        backing_off,
        /// The mirror stopped before their turn came.
        shutdown,
        /// Streamed copies of which more arrived than may wait.
        stream_overflow,
        /// The source of a streamed body broke.
        aborted,
        /// Copies for a service or selector that had no ready endpoint for longer than copies wait.
        no_endpoint,
        /// Copies in HTTP/2 whose client gave the reply up (RST_STREAM) while they waited.
        cancelled,
        /// Copies in HTTP/2 that waited when v1 said that it has not taken their request (REFUSED_STREAM, GOAWAY).
        refused_by_v1,
    }
}

reasons! {
    /// Replies by status class. A reply counts when its head is there and the copy is written.
    Answered {
        /// Replies with status 101; other 1xx replies are followed by the final one.
        informational,
        /// Replies with a 2xx status.
        success,
        /// Replies with a 3xx status.
        redirection,
        /// Replies with a 4xx status.
        client_error,
        /// Replies with a 5xx status, and those that RFC 9110 section 15 treats like one.
        server_error,
    }
}

impl Answered {
    /// Counts a reply of this status.
    pub const fn count(&mut self, status: u16) {
        let class = match status / 100 {
            1 => &mut self.informational,
            2 => &mut self.success,
            3 => &mut self.redirection,
            4 => &mut self.client_error,
            _ => &mut self.server_error,
        };
        *class += 1;
    }
}

reasons! {
    /// Copies that were given to a connection and got no reply.
    Failed {
        /// No connection: it was refused or timed out.
        connect,
        /// No connection: TLS did not come about; mostly, the certificate is not trusted. The log says why.
        tls,
        /// No connection: there is no route to the address, or its host is not there.
        no_route,
        /// No address: the target's name did not resolve.
        unresolved,
        /// No connection, for want of something of our own: open files (`RLIMIT_NOFILE`), memory, local
        /// ports, permission. Says nothing of the target.
        local,
        /// No connection: a document named the target, and its address is one that documents may not
        /// have (loopback, link-local, the node's own, …).
        target_refused,
        /// The target did not read, or the head of its reply did not come, in time.
        timeout,
        /// The connection was closed before the head of its reply: by the target, or, of pipelined
        /// copies, by the mirror behind a reply that is too long.
        reset,
        /// What came is no HTTP/1 reply, or its head exceeds the limit. In HTTP/2 also a connection that broke
        /// the rules of RFC 9113 or the limits on what it may cost.
        bad_reply,
        /// The target does not speak HTTP/2, in which the request came: it chose no `h2` in TLS, or answered
        /// the connection preface with something else than SETTINGS.
        no_http2,
        /// The target said that it did not take the copy (REFUSED_STREAM or GOAWAY of HTTP/2), and it was not to
        /// be sent again.
        refused,
        /// The target reset the copy's stream of HTTP/2 before the head of its reply, for another reason.
        stream_reset,
        /// The client of an HTTP/2 request gave the reply up (RST_STREAM), and so did the mirror.
        cancelled,
        /// v1 said that it has not taken a request of HTTP/2 (REFUSED_STREAM, GOAWAY), and its copy was reset.
        refused_by_v1,
        /// The source of a streamed body broke.
        aborted,
        /// More of a streamed body came than may wait: the target reads too slowly.
        stream_overflow,
        /// The mirror stopped before the reply was there.
        shutdown,
    }
}

reasons! {
    /// Replies in HTTP/2 by their `grpc-status`. It comes with the end of a reply: copies of long streams are
    /// [answered](TargetCounters::answered) long before.
    GrpcStatus {
        /// 0
        ok,
        /// 1
        cancelled,
        /// 2, and whatever is no status of gRPC, as a gRPC client takes it.
        unknown,
        /// 3
        invalid_argument,
        /// 4
        deadline_exceeded,
        /// 5
        not_found,
        /// 6
        already_exists,
        /// 7
        permission_denied,
        /// 8
        resource_exhausted,
        /// 9
        failed_precondition,
        /// 10
        aborted,
        /// 11
        out_of_range,
        /// 12
        unimplemented,
        /// 13
        internal,
        /// 14
        unavailable,
        /// 15
        data_loss,
        /// 16
        unauthenticated,
    }
}

impl GrpcStatus {
    /// Counts a reply with this status.
    pub const fn count(&mut self, status: u32) {
        let class = match status {
            0 => &mut self.ok,
            1 => &mut self.cancelled,
            3 => &mut self.invalid_argument,
            4 => &mut self.deadline_exceeded,
            5 => &mut self.not_found,
            6 => &mut self.already_exists,
            7 => &mut self.permission_denied,
            8 => &mut self.resource_exhausted,
            9 => &mut self.failed_precondition,
            10 => &mut self.aborted,
            11 => &mut self.out_of_range,
            12 => &mut self.unimplemented,
            13 => &mut self.internal,
            14 => &mut self.unavailable,
            15 => &mut self.data_loss,
            16 => &mut self.unauthenticated,
            _ => &mut self.unknown,
        };
        *class += 1;
    }
}

counters! {
    /// The books of one target in one shard.
    TargetCounters {
        /// Copies that are waiting at the moment.
        queued: u64,
        /// Copies dropped before they were sent.
        dropped: Dropped,
        /// Copies given to a connection.
        sent: u64,
        /// Copies sent that have neither been answered nor failed yet.
        in_flight: u64,
        /// Copies sent whose reply has come, at least its head, by status class.
        answered: Answered,
        /// The same by status code.
        statuses: Statuses,
        /// Copies sent that got no reply, by reason.
        failed: Failed,
        /// Replies with a `grpc-status`, by it.
        grpc_status: GrpcStatus,
        /// Connections opened to the target so far.
        opened: u64,
        /// Connections to the target that are open at the moment.
        open: u64,
        /// How many of a thousand copies are held back at the moment, added over [`shards`](Self::shards).
        held_back: u64,
        /// Shards that these are the books of.
        shards: u64,
        /// Times that the breaker opened.
        breaker_opened: u64,
        /// Times that one of several addresses failed and was avoided for a while.
        avoided: u64,
        /// Copies answered with a body so long, or that took so long, that the connection was closed instead of
        /// reading it.
        replies_cut: u64,
        /// Copies answered with a body that broke off, or whose framing is in doubt.
        replies_broken: u64,
        /// Copies written on a connection before the reply to the one before them.
        pipelined: u64,
        /// Copies that a target had not taken when it closed the connection, and that were sent again.
        sent_again: u64,
        /// Mirror lag: from the capture of a copy's last byte (its first, if streamed) to its first byte written.
        lag: Histogram,
        /// Reply latency: from a copy's first byte written to the end of its reply's head. Under light load only 25
        /// per second and shard are measured, and each stands for those before it that were not.
        latency: Histogram,
        /// Replies since the last one that was measured.
        unmeasured: u64,
    }
}

impl TargetCounters {
    /// Counts a reply's latency; `None` if it was not measured.
    pub fn count_latency(&mut self, latency: Option<Duration>) {
        match latency {
            None => self.unmeasured += 1,
            Some(latency) => {
                let times = 1 + std::mem::take(&mut self.unmeasured);
                self.latency.record_times(latency, times);
            }
        }
    }

    /// Copies given to this target so far.
    #[must_use]
    pub const fn given(&self) -> u64 {
        self.queued + self.sent + self.dropped.total()
    }

    /// Whether every copy sent has been answered, has failed, or is in flight.
    #[must_use]
    pub const fn balanced(&self) -> bool {
        self.sent == self.in_flight + self.answered.total() + self.failed.total()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_class() {
        let mut answered = Answered::default();
        for status in 0..=999 {
            answered.count(status);
        }
        assert_eq!(answered.total(), 1000);
        assert_eq!(answered.named()[4], ("server_error", 600));
    }

    #[test]
    fn what_is_no_status_of_grpc_is_unknown() {
        let mut statuses = GrpcStatus::default();
        for status in 0..20 {
            statuses.count(status);
        }
        let named = statuses.named();
        assert!(
            named
                .iter()
                .all(|(name, count)| *count == if *name == "unknown" { 4 } else { 1 })
        );
    }

    #[test]
    fn adding_keeps_the_balance() {
        let mut one = TargetCounters {
            sent: 3,
            ..TargetCounters::default()
        };
        one.answered.success = 1;
        one.failed.reset = 1;
        assert!(!one.balanced());
        one.in_flight = 1;
        let mut sum = one.clone();
        sum += &one;
        assert!(sum.balanced());
        assert_eq!((sum.sent, sum.given()), (6, 6));
    }
}
