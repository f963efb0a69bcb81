//! The CPU time of the whole program, by size.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use lab::load::raise_open_files;

use super::{AXES, Axis, Live, Point};
use crate::bench::{
    Options,
    ground::Ground,
    loads::{self, FEW, Pace, Traffic},
    measure::Bench,
    podmirror,
    results::Row,
    subjects::{BY_SHARDS, Subject},
};

/// Requests per second, in turn over [`BUSY`] connections.
const RATE: f64 = 2_000.0;

/// Connections that ask, at most. The others are open before it is measured, and have asked once: what opening
/// costs is another question.
const BUSY: usize = 32;

/// Connections, where it is not they that grow.
const CONNECTIONS: usize = 1_000;

/// Files that processes have open beside connections, generously.
const OTHER_FILES: u64 = 1_000;

/// The sizes that this machine has room for, and what bounds them.
pub(super) fn measure(options: &Options) -> Result<(Vec<Point<Live>>, String)> {
    let files = raise_open_files()?;
    let ports = ephemeral_ports()?;
    let most = usize::try_from(files.saturating_sub(OTHER_FILES).min(ports))?;
    let bench = Bench {
        ground: Ground::lay(podmirror(options)?)?,
        duration: Duration::from_secs(options.seconds.unwrap_or(3)),
    };
    let rounds = options.rounds.unwrap_or(3);
    let mut points = Vec::new();
    for (axis, sizes) in AXES {
        for &size in sizes {
            let Some((connections, subject)) = wanted(axis, size) else {
                continue;
            };
            if connections > most {
                continue;
            }
            let load = load(connections)?;
            let bar = ProgressBar::hidden();
            let runs = (0..rounds).map(|_| {
                let run = bench.with(&load, &subject, &bar)?;
                // Beside nothing: no ratio is asked for.
                Ok((run, Default::default()))
            });
            let runs = runs.collect::<Result<_>>()?;
            let row = Row {
                runs,
                ..crate::bench::measure::row(&load, Some(&subject))
            };
            points.push(Point {
                axis,
                size,
                figure: figures(&row).context("no request arrived")?,
            });
        }
    }
    let limit = format!(
        "at most {most} connections here: {files} open files per process, {ports} ports of the client's one \
         address; rules and pods take a cluster"
    );
    Ok((points, limit))
}

/// How many connections, and who is measured; rules and pods are an agent's.
fn wanted(axis: Axis, size: usize) -> Option<(usize, Subject)> {
    match axis {
        Axis::Connections => Some((size, Subject::Podmirror(100))),
        Axis::Shards => {
            let (_, tuning) = BY_SHARDS.iter().find(|(shards, _)| *shards == size)?;
            Some((CONNECTIONS, Subject::Tuned(tuning)))
        }
        Axis::Rules | Axis::Pods => None,
    }
}

fn load(connections: usize) -> Result<Traffic> {
    let table = loads::table();
    let few = table.into_iter().find(|load| load.name == FEW);
    Ok(Traffic {
        pace: Pace::Fixed(RATE),
        connections: connections.min(BUSY),
        idle: connections.saturating_sub(BUSY),
        ..few.context("no load to begin with")?
    })
}

fn figures(row: &Row) -> Option<Live> {
    Some(Live {
        cpu: row.cpu_each()?,
        arrived: row.share_mirrored()?,
        memory: row.memory()?,
    })
}

/// How many connections one address can have to another's port.
fn ephemeral_ports() -> Result<u64> {
    let path = "/proc/sys/net/ipv4/ip_local_port_range";
    let range = fs::read_to_string(path).context(path)?;
    let mut ends = range.split_whitespace().map(str::parse::<u64>);
    match (ends.next(), ends.next()) {
        (Some(Ok(from)), Some(Ok(to))) => Ok(to.saturating_sub(from)),
        _ => anyhow::bail!("{path} says {range}"),
    }
}
