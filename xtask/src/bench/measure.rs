//! The runs themselves, in alternation.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use lab::{
    Ledger,
    load::{Http2Pace, IdleConnections, Load, Reuse},
};
use serde_json::Value;

use super::{
    compared,
    drive::{self, Seen},
    ground::Ground,
    idle, kernel,
    loads::{Protocol, Traffic},
    overload, procfs,
    results::{Books, Named, Results, Row, Run, Used},
    schedule::{Planned, Schedule},
    subjects::{Running, Subject},
    unharmed,
};

pub(super) struct Bench {
    pub(super) ground: Ground,
    /// How long every run lasts.
    pub(super) duration: Duration,
}

/// Before every run: connections, caches and clocks of the CPU warm up.
const WARM_UP: Duration = Duration::from_millis(200);

impl Bench {
    pub(super) fn measure(&self, schedule: &Schedule) -> Result<Results> {
        let start = Instant::now();
        let bar = progress(schedule.runs());
        let mut rows = Vec::new();
        for planned in &schedule.loads {
            rows.extend(self.rows(planned, schedule.rounds, &bar)?);
        }
        bar.set_message("kernel");
        let kernel = kernel::measure(&self.ground)?;
        bar.set_message("an idle mirror");
        let idle = schedule.idle.map(|time| idle::measure(&self.ground, time));
        bar.set_message("overload");
        let overload = schedule.overload.map(|time| {
            let rounds = (0..schedule.rounds).map(|_| overload::measure(&self.ground, time));
            rounds.collect()
        });
        bar.set_message("whether v1 is unharmed at sampling 0");
        let unharmed = schedule.unharmed.map(|most| unharmed::measure(self, most));
        bar.set_message("what comparing with v1 costs");
        let compared = schedule
            .compared
            .map(|rounds| compared::measure(self, rounds));
        bar.finish_and_clear();
        Ok(Results {
            rows,
            kernel,
            idle: idle.transpose()?,
            overload: overload.transpose()?.unwrap_or_default(),
            unharmed: unharmed.transpose()?,
            compared: compared.transpose()?.unwrap_or_default(),
            elapsed: start.elapsed(),
        })
    }

    fn rows(&self, planned: &Planned, rounds: u32, bar: &ProgressBar) -> Result<Vec<Row>> {
        let Planned { load, subjects } = planned;
        if subjects.is_empty() {
            return Ok(Vec::new());
        }
        let mut alone = row(load, None);
        let mut rows: Vec<_> = subjects
            .iter()
            .map(|subject| row(load, Some(subject)))
            .collect();
        for _ in 0..rounds {
            let mut before = self.alone(load, bar)?;
            alone.runs.push(with_itself(&before));
            for (subject, row) in subjects.iter().zip(&mut rows) {
                let with = self.with(load, subject, bar)?;
                let after = self.alone(load, bar)?;
                alone.runs.push(with_itself(&after));
                row.runs.push((with, [before, after.clone()]));
                before = after;
            }
        }
        rows.insert(0, alone);
        Ok(rows)
    }

    /// A run of v1 alone.
    pub(super) fn alone(&self, load: &Traffic, bar: &ProgressBar) -> Result<Run> {
        bar.set_message(format!("{}: v1 alone", load.name));
        let run = self.run(load, self.ground.v1.address_for(load), None)?;
        bar.inc(1);
        Ok(run)
    }

    /// A run with this subject.
    pub(super) fn with(&self, load: &Traffic, subject: &Subject, bar: &ProgressBar) -> Result<Run> {
        bar.set_message(format!("{}: {}", load.name, subject.name()));
        let running = subject.start(&self.ground, load.port())?;
        let address = subject.address(&self.ground, load);
        let mut run = self
            .run(load, address, Some(&running))
            .with_context(|| format!("{} with {}", load.name, subject.name()))?;
        let memory = procfs::peak_memory(running.id());
        let ledger = running.stop()?;
        if let Some(used) = &mut run.subject {
            used.memory = memory;
            used.books = ledger.as_ref().map(books).transpose()?;
        }
        bar.inc(1);
        Ok(run)
    }

    fn run(&self, load: &Traffic, to: SocketAddr, running: Option<&Running>) -> Result<Run> {
        let ground = &self.ground;
        warm_up(ground, load, to)?;
        let _idle = IdleConnections::open(&ground.lab.client, to, &load.request(), load.idle)?;
        let at_v2 = ground.settled_v2()?;
        let at_v1 = ground.v1.count(&ground.lab)?;
        let v1 = ground.v1.worker()?;
        let subject = running.map(Running::id);
        let v1_cpu = procfs::cpu_time(v1);
        let subject_cpu = subject.map(procfs::cpu_time);
        let seen: Seen = drive::send(load, to, &ground.lab.client, self.duration)?;
        // A mirror may be behind: what it does after the load belongs to it.
        let at_v2 = ground.settled_v2()? - at_v2;
        let used = subject.zip(subject_cpu).map(|(process, before)| Used {
            cpu: procfs::cpu_time(process).saturating_sub(before),
            ..Used::default()
        });
        Ok(Run {
            seen,
            at_v1: ground.v1.count(&ground.lab)? - at_v1,
            at_v2,
            v1_cpu: procfs::cpu_time(v1).saturating_sub(v1_cpu),
            subject: used,
        })
    }
}

fn warm_up(ground: &Ground, load: &Traffic, to: SocketAddr) -> Result<()> {
    if load.protocol == Protocol::Grpc {
        drive::calls(load, to, Http2Pace::Count(100)).run(&ground.lab.client)?;
        return Ok(());
    }
    let gentle = Load {
        connections: load.connections.min(16),
        reuse: Reuse::KeepAlive,
        ..Load::get(to, 500.0, WARM_UP)
    };
    gentle.run(&ground.lab.client, |_| ())?;
    Ok(())
}

/// A row without runs.
pub(super) fn row(load: &Traffic, subject: Option<&Subject>) -> Row {
    Row {
        load: load.clone(),
        subject: subject.map(|subject| Named {
            name: subject.name(),
            mirrors: subject.mirrors(),
        }),
        runs: Vec::new(),
    }
}

fn with_itself(alone: &Run) -> (Run, [Run; 2]) {
    (alone.clone(), [alone.clone(), alone.clone()])
}

fn books(ledger: &Ledger) -> Result<Books> {
    let targets = ledger.0.get("targets").and_then(Value::as_object);
    let target = targets.and_then(|targets| targets.values().next());
    let lag = target.and_then(|target| target.get("lag_us"));
    let lag = lag.context("the ledger has no lag_us")?;
    let micros = |name| lag.get(name).and_then(Value::as_u64).unwrap_or_default();
    let mut losses = BTreeMap::new();
    for pointer in [
        "/requests/dropped",
        "/segments/unparsable",
        "/replies/failed",
        "/bytes_lost",
    ] {
        let reasons = ledger.0.pointer(pointer).and_then(Value::as_object);
        for (reason, count) in reasons.with_context(|| format!("the ledger has no {pointer}"))? {
            note(&mut losses, &format!("{pointer}/{reason}"), count.as_u64());
        }
    }
    let full = ledger.count("/segments/ring_full")?;
    note(&mut losses, "/segments/ring_full", Some(full));
    Ok(Books {
        lag: ["p50", "p99"].map(micros),
        losses,
        balanced: ledger.balanced(),
    })
}

fn note(losses: &mut BTreeMap<String, u64>, name: &str, count: Option<u64>) {
    if let Some(count) = count.filter(|count| *count > 0) {
        losses.insert(name.trim_start_matches('/').to_owned(), count);
    }
}

fn progress(runs: u64) -> ProgressBar {
    let bar = ProgressBar::new(runs);
    let template = "{wide_bar:.cyan} {pos}/{len} runs, {eta} left  {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
