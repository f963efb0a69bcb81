//! The ledger for people: a table in which empty rows are left out, and a summary in one line.

use std::fmt;

use super::{Ledger, Named, Quantiles, sum};

impl Ledger {
    /// The most important figures in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let Self {
            segments,
            requests,
            replies,
            ..
        } = self;
        let not_followed = self.not_followed_in_all();
        let not_followed = not_followed.map_or_else(String::new, |text| format!("; {text}"));
        format!(
            "{} segments copied, {} lost; {} requests framed, {} sent, {} dropped; {} answered, {} failed{not_followed}",
            segments.copied,
            segments.ring_full,
            requests.framed,
            requests.sent,
            sum(&requests.dropped),
            sum(&replies.answered),
            sum(&replies.failed),
        )
    }
}

impl Ledger {
    /// What the other rows say nothing of, if there is anything.
    fn not_followed_in_all(&self) -> Option<String> {
        let passed = || self.not_followed.values();
        let connections: u64 = passed().map(|passed| passed.connections).sum();
        let requests: u64 = passed().map(|passed| passed.requests_at_least).sum();
        (connections > 0).then(|| {
            format!("not followed: {connections} connections, at least {requests} requests")
        })
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f, "NOT BALANCED")
    }
}

impl Ledger {
    /// The table of a running mirror. Counters are read one after another, so whatever happens meanwhile
    /// keeps the table from balancing; that is no fault, unlike at the end.
    #[must_use]
    pub fn while_running(&self) -> impl fmt::Display + '_ {
        let unbalanced = "not balanced: segments were under way while it was counted";
        fmt::from_fn(move |f| self.print(f, unbalanced))
    }

    /// The table, and whether it balances, in the words of `unbalanced` if it does not.
    fn print(&self, f: &mut fmt::Formatter<'_>, unbalanced: &str) -> fmt::Result {
        self.table(f)?;
        if let Some(not_followed) = self.not_followed_in_all() {
            writeln!(f, "{not_followed}")?;
        }
        let verdict = if self.balanced {
            "balanced"
        } else {
            unbalanced
        };
        writeln!(f, "{verdict}")?;
        match &self.verdict {
            None => Ok(()),
            Some(report) => write!(f, "{report}"),
        }
    }

    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            segments,
            reply_segments,
            file,
            requests,
            replies,
            sent_again,
            http2_requests,
            connections,
            bytes_lost,
            replies_of_v1,
            v1_latency_us,
            not_followed,
            targets,
            // Behind the table.
            balanced: _,
            verdict: _,
        } = self;
        head(f, "segments seen", segments.seen)?;
        row(f, "other port", segments.other_port)?;
        row(f, "no payload", segments.no_payload)?;
        row(f, "from servers", segments.from_server)?;
        row(f, "sampled out", segments.sampled_out)?;
        row(f, "copied", segments.copied)?;
        row(f, "ring full", segments.ring_full)?;
        rows(f, "refused", &segments.refused)?;
        rows(f, "unparsable", &segments.unparsable)?;
        row(f, "v1's kernel not asked", segments.unasked)?;
        if segments.not_tcp > 0 {
            head(f, "frames without TCP", segments.not_tcp)?;
        }
        if let Some(file) = file {
            rows(f, "", &file.not_tcp)?;
            if file.tunnelled > 0 {
                head(f, "segments out of tunnels", file.tunnelled)?;
            }
        }
        head(f, "segments read", segments.read)?;
        rows(f, "implausible", &segments.implausible)?;
        if let Some(seen) = reply_segments.get("seen").filter(|seen| **seen > 0) {
            head(f, "segments of servers", *seen)?;
            rows(f, "", reply_segments)?;
        }
        head(f, "connections", connections.opened)?;
        row(f, "http/1", connections.http1)?;
        row(f, "http/2", connections.http2)?;
        row(f, "http/2, from the middle", connections.http2_midstream)?;
        row(f, "tls", connections.tls)?;
        row(f, "not http", connections.not_http)?;
        row(f, "upgraded", connections.upgraded)?;
        row(f, "undecided", connections.undecided)?;
        row(f, "open now", connections.open)?;
        row(f, "http/2, given up", connections.http2_lost)?;
        row(
            f,
            "http/2, not counted exactly",
            connections.http2_out_of_step,
        )?;
        if connections.proxied > 0 {
            row(f, "with a PROXY header", connections.proxied)?;
        }
        head(f, "requests framed", requests.framed)?;
        row(f, "of HTTP/2", *http2_requests)?;
        row(f, "sent", requests.sent)?;
        row(f, "only looked at", requests.observed)?;
        rows(f, "filtered", &requests.filtered)?;
        row(f, "sampled out", requests.sampled_out)?;
        rows(f, "dropped", &requests.dropped)?;
        row(f, "pending", requests.pending)?;
        head(f, "requests sent", requests.sent)?;
        rows(f, "answered", &replies.answered)?;
        rows(f, "failed", &replies.failed)?;
        row(f, "in flight", replies.in_flight)?;
        row(f, "sent again", *sent_again)?;
        if sum(bytes_lost) > 0 {
            head(f, "bytes lost", sum(bytes_lost))?;
            rows(f, "", bytes_lost)?;
        }
        if sum(replies_of_v1) > 0 {
            head(f, "replies of v1", sum(replies_of_v1))?;
            rows(f, "", replies_of_v1)?;
            quantiles(f, "reply latency", *v1_latency_us)?;
        }
        let passed = not_followed.iter().filter(|(_, passed)| passed.bytes > 0);
        for (reason, passed) in passed {
            let reason = reason.replace('_', " ");
            head(f, &format!("not followed: {reason}"), passed.connections)?;
            row(f, "requests, at least", passed.requests_at_least)?;
            row(f, "segments", passed.segments)?;
            row(f, "bytes", passed.bytes)?;
        }
        for (url, target) in targets {
            writeln!(f, "{url}: {}", target.requests.sent)?;
            rows(f, "grpc-status", &target.grpc_status)?;
            quantiles(f, "mirror lag", target.lag_us)?;
            quantiles(f, "reply latency", target.latency_us)?;
        }
        Ok(())
    }
}

fn head(f: &mut fmt::Formatter<'_>, name: &str, count: u64) -> fmt::Result {
    writeln!(f, "{name:<34}{count:>12}")
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, count: u64) -> fmt::Result {
    if count == 0 {
        Ok(())
    } else {
        writeln!(f, "  {name:<32}{count:>12}")
    }
}

fn rows(f: &mut fmt::Formatter<'_>, kind: &str, named: &Named) -> fmt::Result {
    named
        .iter()
        .try_for_each(|(name, count)| row(f, format!("{kind} {name}").trim_start(), *count))
}

fn quantiles(f: &mut fmt::Formatter<'_>, name: &str, q: Quantiles) -> fmt::Result {
    if q.max == 0 {
        return Ok(());
    }
    let [p50, p99, max] = [q.p50, q.p99, q.max].map(|us| {
        let ms = std::time::Duration::from_micros(us).as_secs_f64() * 1e3;
        format!("{ms:.1} ms")
    });
    writeln!(f, "  {name:<20}p50 {p50}, p99 {p99}, max {max}")
}
