//! What a shard says while it runs, of something that the user can change.

use std::time::Duration;

use mirror_core::{
    pipeline::{DropReason, PipelineCounters},
    segment::Time,
};

/// Between two lines about the same.
const QUIET: Duration = Duration::from_secs(60);

/// Looks at requests of HTTP/2 whose connections are older than the mirror: they cannot be read, and only v1 or its
/// clients can help.
#[derive(Debug, Default)]
pub(super) struct Notice {
    told: u64,
    next: Time,
}

impl Notice {
    /// The line to log now, if there is one: at once, and at most once a minute.
    pub(super) fn line(&mut self, now: Time, counters: &PipelineCounters) -> Option<String> {
        if counters.connections.http2_midstream == 0 || now < self.next {
            return None;
        }
        let mut lost = counters.lost_unseen.iter();
        let (_, all) = lost.find(|(why, _)| *why == DropReason::BeforeAttach)?;
        let new = all - self.told;
        if new == 0 {
            return None;
        }
        self.told = all;
        self.next = now + QUIET;
        Some(format!(
            "{new} requests of HTTP/2 were not mirrored: their connections are older than this mirror, and only new ones \
             can be read. Restart v1's clients, or have v1 end connections after a while (in gRPC, MAX_CONNECTION_AGE)"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_once_and_then_once_a_minute_while_there_is_news() {
        let mut notice = Notice::default();
        let mut counters = PipelineCounters::default();
        let at = |seconds: u64| Time::from_nanos(seconds * 1_000_000_000);
        let mut said = |seconds, counters: &PipelineCounters| {
            let line = notice.line(at(seconds), counters);
            line.map(|line| line.split(' ').next().unwrap().to_owned())
        };
        assert_eq!(said(0, &counters), None);
        counters.connections.http2_midstream = 1;
        assert_eq!(said(1, &counters), None, "no request yet");
        for _ in 0..3 {
            counters.lost_unseen.count(DropReason::BeforeAttach);
        }
        assert_eq!(said(2, &counters).as_deref(), Some("3"));
        counters.lost_unseen.count(DropReason::BeforeAttach);
        assert_eq!(said(61, &counters), None);
        assert_eq!(said(62, &counters).as_deref(), Some("1"));
        assert_eq!(said(200, &counters), None, "no news");
    }
}
