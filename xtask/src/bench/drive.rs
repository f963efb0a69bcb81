//! Sending a load: at a fixed rate by our generator, in a closed loop by wrk.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail};
use lab::{
    Namespace, Scratch,
    load::{Http2Load, Http2Pace, Load, Outcome, Reuse},
    packages,
};
use serde_json::Value;

use super::{
    loads::{Pace, Protocol, Traffic},
    results::micros,
};

/// What the client saw.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Requests that were answered.
    pub(super) answered: u64,
    /// Requests that were not, or with another status than 2xx and 3xx.
    pub(super) failed: u64,
    /// Microseconds: p50, p99, p99.9. At a fixed rate from when the request was due; in a closed
    /// loop as wrk has it. NaN where there is none.
    pub(super) latency: [f64; 3],
    pub(super) elapsed: Duration,
}

/// The shares of the latencies that are reported.
const SHARES: [f64; 3] = [0.5, 0.99, 0.999];

pub(super) fn send(
    traffic: &Traffic,
    target: SocketAddr,
    from: &Namespace,
    duration: Duration,
) -> Result<Seen> {
    match (traffic.protocol, traffic.pace) {
        (Protocol::Http1, Pace::Fixed(rate)) => at_rate(traffic, rate, target, from, duration),
        (Protocol::Http1, Pace::Closed) => closed_loop(traffic, target, from, duration),
        (Protocol::Grpc, Pace::Fixed(rate)) => {
            let pace = Http2Pace::Fixed { rate, duration };
            Ok(seen(&calls(traffic, target, pace).run(from)?, duration))
        }
        (Protocol::Grpc, Pace::Closed) => {
            let outcome = calls(traffic, target, Http2Pace::Closed(duration)).run(from)?;
            Ok(seen(&outcome, Duration::ZERO))
        }
    }
}

/// This traffic at another pace.
pub(super) fn calls(traffic: &Traffic, target: SocketAddr, pace: Http2Pace) -> Http2Load {
    Http2Load {
        target,
        path: "/shop.Cart/Add".to_owned(),
        message: Some(vec![b'x'; traffic.body]),
        pace,
        connections: traffic.connections,
        streams: traffic.depth,
    }
}

/// What a client saw in at least this time.
fn seen(outcome: &Outcome, least: Duration) -> Seen {
    let latency = outcome.latencies.quantiles(SHARES);
    Seen {
        answered: outcome.answered,
        failed: outcome.failed + outcome.unanswered,
        latency: latency.map_or([f64::NAN; 3], |found| found.map(micros)),
        elapsed: outcome.elapsed.max(least),
    }
}

fn at_rate(
    traffic: &Traffic,
    rate: f64,
    target: SocketAddr,
    from: &Namespace,
    duration: Duration,
) -> Result<Seen> {
    let load = Load {
        target,
        request: traffic.request(),
        rate,
        duration,
        connections: traffic.connections,
        reuse: traffic.reuse,
        depth: traffic.depth,
    };
    Ok(seen(&load.run(from, |_| ())?, duration))
}

fn closed_loop(
    traffic: &Traffic,
    target: SocketAddr,
    from: &Namespace,
    duration: Duration,
) -> Result<Seen> {
    let folder = Scratch::create("wrk")?;
    let script = folder.path().join("load.lua");
    fs::write(&script, lua(traffic))?;
    let output = from.output(
        Command::new("sh")
            .arg("-c")
            .arg(format!(
                "ulimit -n $(ulimit -H -n); exec {}",
                wrk(&packages::require("wrk")?)
            ))
            .args(["wrk", "-t1", "--timeout", "10s"])
            .arg(format!("-c{}", traffic.connections))
            .arg(format!("-d{}s", seconds(traffic, duration)))
            .arg("-s")
            .arg(&script)
            .arg(format!("http://{target}{}", traffic.path())),
    )?;
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().find(|line| line.starts_with('{'));
    let Some(result) = result else {
        bail!("wrk: {}{text}", String::from_utf8_lossy(&output.stderr));
    };
    parse(result).with_context(|| format!("wrk said {result}"))
}

/// wrk connects within the time of the run, some thousands of connections per second.
fn seconds(traffic: &Traffic, duration: Duration) -> u64 {
    duration.as_secs().max(1) + traffic.connections as u64 / 2_000
}

/// The arguments that follow become `$1` and so on.
fn wrk(program: &Path) -> String {
    format!("{} \"$@\"", program.display())
}

/// wrk's own report is for people; this adds a line for us.
fn lua(traffic: &Traffic) -> String {
    let body = match traffic.body {
        0 => String::new(),
        bytes => format!("wrk.body = string.rep('x', {bytes})\n"),
    };
    let close = match traffic.reuse {
        Reuse::KeepAlive => "",
        Reuse::Never => "wrk.headers['Connection'] = 'close'\n",
    };
    let depth = traffic.depth;
    let pipelined = if depth > 1 {
        format!(
            "init = function(args)\n  local all = {{}}\n  \
             for i = 1, {depth} do all[i] = wrk.format() end\n  batch = table.concat(all)\nend\n\
             request = function() return batch end\n"
        )
    } else {
        String::new()
    };
    format!(
        "wrk.method = '{}'\n{body}{close}{pipelined}\
         done = function(summary, latency, requests)\n  \
           local e = summary.errors\n  \
           io.write(string.format('\\n{{\"requests\":%d,\"micros\":%d,\"failed\":%d,\
           \"latency\":[%f,%f,%f]}}\\n', summary.requests, summary.duration,\n    \
             e.connect + e.read + e.write + e.status + e.timeout,\n    \
             latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))\nend\n",
        traffic.method()
    )
}

fn parse(line: &str) -> Option<Seen> {
    let value: Value = serde_json::from_str(line).ok()?;
    let number = |name: &str| value.get(name)?.as_u64();
    let latency = value.get("latency")?.as_array()?;
    // 0 is wrk's word for none: it estimates the requests that a late reply kept from being sent,
    // and among these it may lose a quantile.
    let at = |index: usize| {
        Some(latency.get(index)?.as_f64()?).map(|us| if us > 0.0 { us } else { f64::NAN })
    };
    Some(Seen {
        answered: number("requests")?,
        failed: number("failed")?,
        latency: [at(0)?, at(1)?, at(2)?],
        elapsed: Duration::from_micros(number("micros")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_script_is_read() {
        let line = r#"{"requests":10,"micros":1000000,"failed":1,"latency":[5.0,9.5,0.0]}"#;
        let seen = parse(line).unwrap();
        assert_eq!((seen.answered, seen.failed), (10, 1));
        assert_eq!(seen.latency[..2], [5.0, 9.5]);
        assert!(seen.latency[2].is_nan());
        assert_eq!(seen.elapsed, Duration::from_secs(1));
    }
}
