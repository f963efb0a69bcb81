//! What `GET /lost` says, put in words.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::cli::harmless::harmless;

/// The answer; `admin::lost` has what each of it means.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Told {
    pub(in crate::cli) now: f64,
    pub(in crate::cli) keep: usize,
    pub(in crate::cli) not_kept: u64,
    pub(in crate::cli) lost: Vec<Lost>,
}

/// One loss.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Lost {
    pub(in crate::cli) id: u64,
    pub(in crate::cli) at: f64,
    rule: String,
    target: Option<String>,
    flow: Option<Flow>,
    request: Option<String>,
    row: String,
    reason: String,
    cause: Option<String>,
    count: u64,
    what: String,
    helps: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Deserialize)]
struct Flow {
    client: String,
    server: String,
}

#[derive(Debug, Deserialize)]
struct Segment {
    at: f64,
    from: String,
    seq: u32,
    ack: Option<u32>,
    len: u32,
    flags: String,
}

impl Lost {
    /// Whether it is of this connection, as a person writes it.
    pub(in crate::cli) fn is_of_flow(&self, written: &str) -> bool {
        self.flow.as_ref().is_some_and(|Flow { client, server }| {
            written == client || written == format!("{client}-{server}")
        })
    }

    /// Whether it is of this reason: `gap`, or `requests.dropped.gap`.
    pub(in crate::cli) fn is_of_reason(&self, written: &str) -> bool {
        written == self.reason || written == format!("{}.{}", self.row, self.reason)
    }

    /// Adds what there is to say of it, `now` being seconds since the Unix epoch.
    pub(in crate::cli) fn describe(&self, now: f64, out: &mut String) {
        let Self {
            id,
            rule,
            row,
            reason,
            ..
        } = self;
        let target = self
            .target
            .as_ref()
            .map_or_else(String::new, |to| format!(", to {to}"));
        let many = match self.count {
            1 => String::new(),
            many => format!(", {many} of them"),
        };
        let (clock, ago) = (clock(self.at), (now - self.at).max(0.0));
        let mut lines = vec![format!(
            "loss {id}: {clock} UTC, {ago:.1} s ago, rule {rule}{target}{many}"
        )];
        lines.push(match &self.request {
            Some(line) => format!("  {line}"),
            None => "  the request line is not known".to_owned(),
        });
        lines.push(match &self.flow {
            Some(Flow { client, server }) => format!("  {client} -> {server}"),
            None => "  the connection is not known".to_owned(),
        });
        lines.push(format!("  {row}.{reason}: {}", self.what));
        if let Some(cause) = &self.cause {
            lines.push(format!(
                "  what broke it off: {cause} (`podmirror why {cause}`)"
            ));
        }
        lines.push(format!("  {}", self.helps));
        if !self.segments.is_empty() {
            lines.push("  its connection's last segments:".to_owned());
        }
        lines.extend(self.segments.iter().map(|it| it.line(self.at)));
        for line in lines {
            let line: String = line.chars().map(harmless).collect();
            // A string takes all that is written.
            let _written = writeln!(out, "{line}");
        }
        out.push('\n');
    }
}

impl Segment {
    fn line(&self, lost: f64) -> String {
        let Self {
            from,
            seq,
            len,
            flags,
            ..
        } = self;
        let ack = self
            .ack
            .map_or_else(String::new, |ack| format!(" ack {ack}"));
        let before = (self.at - lost).min(0.0);
        format!("    {before:>9.3} s  {from:<6} seq {seq} len {len}{ack} {flags}")
    }
}

/// The time of the day.
fn clock(seconds: f64) -> String {
    let day = seconds.rem_euclid(86_400.0);
    let (hours, minutes) = ((day / 3600.0).floor(), (day / 60.0).floor() % 60.0);
    format!("{hours:02.0}:{minutes:02.0}:{:06.3}", day % 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Told {
        let answer = r#"{"now": 100003.5, "keep": 100, "not_kept": 0, "lost": [{
            "id": 7, "at": 100001.25, "rule": "flags\u001b[2J", "target": "http://v2",
            "flow": {"client": "10.0.0.1:4000", "server": "10.1.0.1:80"},
            "request": "GET /a HTTP/1.1", "row": "requests.dropped", "reason": "gap", "cause": null,
            "count": 1, "what": "Bytes were missing.", "helps": "A larger ring.",
            "segments": [{"at": 100000.25, "from": "client", "seq": 5, "ack": 6, "len": 7, "flags": "ACK"}]
        }]}"#;
        serde_json::from_str(answer).unwrap()
    }

    #[test]
    fn a_loss_is_told_in_words() {
        let Told { now, lost, .. } = told();
        let mut text = String::new();
        lost[0].describe(now, &mut text);
        assert_eq!(
            text,
            "loss 7: 03:46:41.250 UTC, 2.2 s ago, rule flags?[2J, to http://v2\n  \
             GET /a HTTP/1.1\n  10.0.0.1:4000 -> 10.1.0.1:80\n  \
             requests.dropped.gap: Bytes were missing.\n  A larger ring.\n  \
             its connection's last segments:\n       -1.000 s  client seq 5 len 7 ack 6 ACK\n\n"
        );
    }

    #[test]
    fn losses_are_chosen_by_connection_and_reason() {
        let lost = &told().lost[0];
        for flow in ["10.0.0.1:4000", "10.0.0.1:4000-10.1.0.1:80"] {
            assert!(lost.is_of_flow(flow), "{flow}");
        }
        assert!(!lost.is_of_flow("10.0.0.1:4001") && !lost.is_of_flow("10.1.0.1:80"));
        assert!(lost.is_of_reason("gap") && lost.is_of_reason("requests.dropped.gap"));
        assert!(!lost.is_of_reason("bytes_lost.gap"));
    }
}
