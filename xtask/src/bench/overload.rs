//! More than the machine can mirror, and what happens when it ends.
//!
//! Clients that pipeline ask as fast as they can: a request then costs them and v1 so little that
//! mirror and v2, on the same cores, can't follow. Then the load falls to a rate that is easy. What v1
//! has got and v2 has not (yet) is counted by both every 50 ms: it grows with what is lost and shrinks
//! as the mirror catches up, and once the mirror has recovered it stays what it is. No figure of the
//! mirror's own is needed.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use lab::load::Load;

use super::{
    drive,
    ground::{Ground, PORT},
    loads,
    results::float,
    subjects::Subject,
};

/// What came of one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overload {
    /// v1's requests per second under the load, mirrored.
    pub(super) throughput: f64,
    /// The same with sampling 0.
    pub(super) unsampled: f64,
    /// Requests that never reached v2, over those of v1, under the load.
    pub(super) lost: f64,
    /// From when the load fell until no more were missing than in the end.
    pub(super) recovery: Duration,
}

/// The name of the load that overloads the mirror.
pub(super) const LOAD: &str = "get-pipelined";

/// Requests per second after the load has fallen.
const EASY: f64 = 500.0;

const AFTER: Duration = Duration::from_secs(3);

const STEP: Duration = Duration::from_millis(50);

/// Requests that may be on their way to v2: 5 ms of them, and what v1 has got since v2 was asked.
const ON_THE_WAY: u64 = 5;

/// How many are missing at v2, and when.
type Sample = (Duration, u64);

pub(super) fn measure(ground: &Ground, duration: Duration) -> Result<Overload> {
    let loads = loads::table();
    let load = loads.iter().find(|load| load.name == LOAD);
    let load = load.with_context(|| format!("no load {LOAD}"))?;
    let full_speed = |percent| {
        let mirror = Subject::Podmirror(percent).start(ground, PORT)?;
        let seen = drive::send(load, ground.v1.address(), &ground.lab.client, duration)?;
        let throughput = float(seen.answered) / seen.elapsed.as_secs_f64();
        anyhow::Ok((mirror, throughput))
    };
    let (mirror, unsampled) = full_speed(0)?;
    mirror.stop()?;
    let at_v2 = ground.settled_v2()?;
    let at_v1 = ground.v1.count(&ground.lab)?;
    let (mirror, throughput) = full_speed(100)?;
    let fell = Instant::now();
    let during = ground.v1.count(&ground.lab)? - at_v1;
    let samples = watch(ground, fell, [at_v1, at_v2])?;
    mirror.stop()?;
    let (_, lost) = samples.last().copied().context("nothing was watched")?;
    Ok(Overload {
        throughput,
        unsampled,
        lost: float(lost) / float(during),
        recovery: recovery(&samples),
    })
}

/// Counts while the easy load runs, and once more when all is settled.
fn watch(ground: &Ground, fell: Instant, [at_v1, at_v2]: [u64; 2]) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    let load = Load::get(ground.v1.address(), EASY, AFTER);
    let missing = || {
        // In this order nothing seems to be there before it was sent.
        let v2 = ground.v2.count(&ground.lab)? - at_v2;
        let v1 = ground.v1.count(&ground.lab)? - at_v1;
        anyhow::Ok((fell.elapsed(), v1.saturating_sub(v2)))
    };
    let client = &ground.lab.client;
    thread::scope(|scope| {
        let easy = scope.spawn(|| load.run(client, |_| ()));
        while !easy.is_finished() {
            samples.push(missing()?);
            thread::sleep(STEP);
        }
        easy.join().map_err(|_| anyhow!("the load panicked"))?
    })?;
    ground.settled_v2()?;
    samples.push(missing()?);
    Ok(samples)
}

/// When the last sample was taken that is not as the end is.
fn recovery(samples: &[Sample]) -> Duration {
    let Some((_, end)) = samples.last() else {
        return Duration::ZERO;
    };
    let unlike = samples
        .iter()
        .rfind(|(_, missing)| missing.abs_diff(*end) > ON_THE_WAY);
    unlike.map_or(Duration::ZERO, |(at, _)| *at + STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_recovered_when_nothing_more_is_missing_or_late() {
        let samples = |missing: &[u64]| -> Vec<Sample> {
            (0..)
                .map(|step| STEP * step)
                .zip(missing.iter().copied())
                .collect()
        };
        // Late, then lost, then as it stays.
        let caught_up = samples(&[900, 300, 40, 41, 80, 82, 80, 80]);
        assert_eq!(recovery(&caught_up), STEP * 4);
        assert_eq!(recovery(&samples(&[3, 4, 1, 0])), Duration::ZERO);
    }
}
