//! Calls of gRPC, or GETs, over HTTP/2: by h2load, which is nghttp2's.

use std::{fs, net::SocketAddr, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::{Latencies, Outcome};
use crate::{Namespace, Scratch, packages};

/// What to call, where, and how often.
#[derive(Clone, Debug)]
pub struct Http2Load {
    /// The server that calls go to; it has to speak HTTP/2 in cleartext.
    pub target: SocketAddr,
    /// The path: of gRPC `/SERVICE/METHOD`.
    pub path: String,
    /// The message of each call, without its prefix; `None` is a GET, which is not gRPC.
    pub message: Option<Vec<u8>>,
    /// When calls are made.
    pub pace: Http2Pace,
    /// How many connections carry them, at least 1.
    pub connections: usize,
    /// How many calls a connection has under way at once, at least 1.
    pub streams: u32,
}

/// When calls are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Http2Pace {
    /// So many in all, so many per second over all connections.
    Fixed {
        /// Calls per second, at least as many as connections.
        rate: f64,
        /// For how long.
        duration: Duration,
    },
    /// So many in all, each when one before it is answered.
    Count(u64),
    /// The next when one is answered, for so long.
    Closed(Duration),
}

/// A message as it stands in a body: not compressed, with its length before it.
pub fn grpc_frame(message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &len.to_be_bytes()[..], message].concat()
}

impl Http2Load {
    /// Makes the calls from inside the namespace. A latency counts from when a call was sent.
    ///
    /// # Errors
    ///
    /// When h2load is missing and cannot be installed, or makes no sense.
    pub fn run(&self, namespace: &Namespace) -> Result<Outcome> {
        let folder = Scratch::create("h2load")?;
        let log = folder.path().join("log");
        let mut command = Command::new(packages::require("h2load")?);
        command.args(["-t1", "-T10s", "-N30s"]);
        command.arg(format!("-c{}", self.connections));
        command.arg(format!("-m{}", self.streams));
        command.arg(format!("--log-file={}", log.display()));
        match self.pace {
            Http2Pace::Fixed { rate, duration } => {
                let each = (rate / self.connections as f64).max(1.0);
                let total = rate * duration.as_secs_f64();
                command.args([format!("-n{total:.0}"), format!("--rps={each:.0}")]);
            }
            Http2Pace::Count(count) => drop(command.arg(format!("-n{count}"))),
            Http2Pace::Closed(duration) => {
                command.arg(format!("-D{}", duration.as_secs().max(1)));
            }
        }
        if let Some(message) = &self.message {
            let file = folder.path().join("message");
            fs::write(&file, grpc_frame(message))?;
            command.arg(format!("-d{}", file.display()));
            command.args(["-Hcontent-type: application/grpc", "-Hte: trailers"]);
        }
        let url = format!("http://{}{}", self.target, self.path);
        let output = namespace.output(command.arg(url))?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "h2load: {output:?}");
        let mut outcome = parse(&said).with_context(|| format!("h2load said {said}"))?;
        outcome.latencies = latencies(&fs::read_to_string(log)?)?;
        Ok(outcome)
    }
}

/// Reads h2load's summary.
fn parse(said: &str) -> Option<Outcome> {
    let line = |start: &str| said.lines().find_map(|line| line.strip_prefix(start));
    let counts = line("requests: ")?;
    let count = |what: &str| {
        let mut parts = counts.split(", ");
        let part = parts.find_map(|part| part.strip_suffix(what))?;
        part.trim().parse::<u64>().ok()
    };
    let (answered, done) = (count(" succeeded")?, count(" done")?);
    let due = count(" started")?;
    Some(Outcome {
        due,
        answered,
        failed: done - answered,
        unanswered: due - done,
        latencies: Latencies::default(),
        elapsed: time(line("finished in ")?.split(',').next()?)?,
    })
}

/// `1.01s` or `165.97ms`.
fn time(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let scale = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * scale).ok()
}

/// Reads h2load's log: the time of the request, its status, and how long it took, in microseconds.
fn latencies(log: &str) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    for line in log.lines() {
        let micros = line.split_whitespace().nth(2);
        let micros = micros.and_then(|word| word.parse().ok());
        latencies.record(Duration::from_micros(
            micros.with_context(|| format!("h2load logged {line}"))?,
        ));
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Family, Host, Lab, Nginx, NginxConfig};

    #[test]
    fn times_are_read_in_every_unit() {
        assert_eq!(time("1.01s"), Some(Duration::from_micros(1_010_000)));
        assert_eq!(time("165.97ms"), Some(Duration::from_micros(165_970)));
        assert_eq!(time("3us"), Some(Duration::from_micros(3)));
        assert_eq!(time("1h"), None);
    }

    #[test]
    fn calls_are_answered_by_nginx_and_counted() {
        let lab = Lab::new().unwrap();
        let target = Host::V1.address(Family::V4, 50_051);
        let v1 = Nginx::start(&lab.v1, &NginxConfig::grpc(target, true)).unwrap();
        let load = |pace| Http2Load {
            target,
            path: "/shop.Cart/Add".to_owned(),
            message: Some(vec![b'x'; 100]),
            pace,
            connections: 2,
            streams: 4,
        };
        let rate = Http2Pace::Fixed {
            rate: 500.0,
            duration: Duration::from_secs(1),
        };
        for (pace, calls) in [(Http2Pace::Count(300), 300), (rate, 500)] {
            let outcome = load(pace).run(&lab.client).unwrap();
            assert_eq!((outcome.due, outcome.answered), (calls, calls));
            assert_eq!(outcome.latencies.len() as u64, calls);
        }
        let add = "POST /shop.Cart/Add HTTP/2.0";
        let log = v1.access_log().unwrap();
        let answered = log
            .iter()
            .filter(|it| it.status == 200 && it.request_line == add);
        assert_eq!((answered.count(), log.len()), (800, 800));
        // The end of its time cuts calls off.
        let closed = load(Http2Pace::Closed(Duration::from_secs(1)));
        assert!(closed.run(&lab.client).unwrap().answered > 0);
    }
}
