//! The ledger for people: a table in which empty rows are left out, and a summary in one line.

use std::fmt;

use super::{
    Connections, FileBook, Ledger, Named, NotFollowed, Quantiles, Replies, Requests, Segments,
    Target, sum,
};

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
            http2_most_on_a_connection,
            http2_connections_by_requests,
            connections,
            // For those who look into a loss: in the JSON and the metrics.
            streams: _,
            bytes_lost,
            replies_of_v1,
            v1_latency_us,
            not_followed,
            targets,
            // Behind the table.
            balanced: _,
            verdict: _,
        } = self;
        segments_of(f, segments, file.as_ref())?;
        if let Some(seen) = reply_segments.get("seen").filter(|seen| **seen > 0) {
            head(f, "segments of servers", *seen)?;
            rows(f, "", reply_segments)?;
        }
        connections_of(f, connections)?;
        rows(f, "http/2, requests from", http2_connections_by_requests)?;
        requests_of(f, requests, *http2_requests, *http2_most_on_a_connection)?;
        let Replies {
            answered,
            failed,
            in_flight,
        } = replies;
        head(f, "requests sent", requests.sent)?;
        rows(f, "answered", answered)?;
        rows(f, "failed", failed)?;
        row(f, "in flight", *in_flight)?;
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
            let NotFollowed {
                connections,
                requests_at_least,
                segments,
                bytes,
            } = *passed;
            let reason = reason.replace('_', " ");
            head(f, &format!("not followed: {reason}"), connections)?;
            row(f, "requests, at least", requests_at_least)?;
            row(f, "segments", segments)?;
            row(f, "bytes", bytes)?;
        }
        for (url, target) in targets {
            let Target {
                requests,
                grpc_status,
                lag_us,
                latency_us,
                // Above, for all targets together.
                replies: _,
                sent_again: _,
            } = target;
            writeln!(f, "{url}: {}", requests.sent)?;
            rows(f, "grpc-status", grpc_status)?;
            quantiles(f, "mirror lag", *lag_us)?;
            quantiles(f, "reply latency", *latency_us)?;
        }
        Ok(())
    }
}

fn segments_of(
    f: &mut fmt::Formatter<'_>,
    segments: &Segments,
    file: Option<&FileBook>,
) -> fmt::Result {
    let Segments {
        seen,
        other_port,
        no_payload,
        from_server,
        sampled_out,
        copied,
        read,
        implausible,
        ring_full,
        refused,
        unasked,
        unparsable,
        not_tcp,
    } = segments;
    head(f, "segments seen", *seen)?;
    row(f, "other port", *other_port)?;
    row(f, "no payload", *no_payload)?;
    row(f, "from servers", *from_server)?;
    row(f, "sampled out", *sampled_out)?;
    row(f, "copied", *copied)?;
    row(f, "ring full", *ring_full)?;
    rows(f, "refused", refused)?;
    rows(f, "unparsable", unparsable)?;
    row(f, "v1's kernel not asked", *unasked)?;
    if *not_tcp > 0 {
        head(f, "frames without TCP", *not_tcp)?;
    }
    if let Some(file) = file {
        let FileBook {
            not_tcp,
            tunnelled,
            // The rows above in all; hints name them where nothing was mirrored.
            packets: _,
            link_types: _,
            other_ports: _,
        } = file;
        rows(f, "", not_tcp)?;
        if *tunnelled > 0 {
            head(f, "segments out of tunnels", *tunnelled)?;
        }
    }
    head(f, "segments read", *read)?;
    rows(f, "implausible", implausible)
}

fn connections_of(f: &mut fmt::Formatter<'_>, connections: &Connections) -> fmt::Result {
    let Connections {
        opened,
        open,
        http1,
        http2,
        http2_midstream,
        tls,
        not_http,
        upgraded,
        undecided,
        // Of all kinds: hints name them where nothing was mirrored.
        midstream: _,
        proxied,
        http2_lost,
        http2_out_of_step,
    } = *connections;
    head(f, "connections", opened)?;
    row(f, "http/1", http1)?;
    row(f, "http/2", http2)?;
    row(f, "http/2, from the middle", http2_midstream)?;
    row(f, "tls", tls)?;
    row(f, "not http", not_http)?;
    row(f, "upgraded", upgraded)?;
    row(f, "undecided", undecided)?;
    row(f, "open now", open)?;
    row(f, "http/2, given up", http2_lost)?;
    row(f, "http/2, not counted exactly", http2_out_of_step)?;
    row(f, "with a PROXY header", proxied)
}

fn requests_of(
    f: &mut fmt::Formatter<'_>,
    requests: &Requests,
    http2_requests: u64,
    http2_most_on_a_connection: u64,
) -> fmt::Result {
    let Requests {
        framed,
        sent,
        observed,
        filtered,
        sampled_out,
        dropped,
        pending,
    } = requests;
    head(f, "requests framed", *framed)?;
    row(f, "of HTTP/2", http2_requests)?;
    row(
        f,
        "of HTTP/2, most on one connection",
        http2_most_on_a_connection,
    )?;
    row(f, "sent", *sent)?;
    row(f, "only looked at", *observed)?;
    rows(f, "filtered", filtered)?;
    row(f, "sampled out", *sampled_out)?;
    rows(f, "dropped", dropped)?;
    row(f, "pending", *pending)
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
