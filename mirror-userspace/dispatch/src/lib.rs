//! The way out: copies go to the targets; replies are read, counted and forgotten.
//!
//! ```text
//! Output ─► Dispatcher ─► Target: admit or drop ─► Queue ─► Pool ─► connection tasks ─► v2
//!              │             breaker, rate           order     addresses   write, read
//!              └─ streamed bodies go past the queue, straight to the connection that sends
//! ```
//!
//! Nothing here ever makes the caller wait: a target that is slow, dead or hostile only moves counters,
//! and every copy ends in exactly one of them. A connection that breaks before the reply is a failure,
//! not a reason to send again. The one exception are pipelined copies behind a reply that says
//! `connection: close`, which the target has not taken (RFC 9112 section 9.6): they go to another
//! connection.
//!
//! A dispatcher belongs to one shard and lives in its [`LocalSet`](tokio::task::LocalSet). Each open
//! connection is a task; a request is not. Worst-case memory besides the copies themselves, which carry
//! their share of the shard's budget: 64 KiB per connection, for a reply's head that arrives in pieces,
//! and a few hundred bytes per waiting copy.
//!
//! To read it: [`Dispatcher::handle`] takes a copy, `upstream` admits it and hands it to a connection,
//! `order` and `pool` decide which copy and which connection, `exchange` writes copies and reads
//! replies, `outcome` says how a copy can end.

use std::{collections::HashMap, net::SocketAddr, rc::Rc, time::Duration};

use anyhow::{Context, Result};
use mirror_core::{
    counters::TargetCounters,
    destination::{Scheme, TargetHost, TargetSpec, TargetUrl},
    pipeline::{CopyId, Output},
    segment::Time,
};
use rustls::pki_types::ServerName;
use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};
use tokio_rustls::TlsConnector;

pub use self::{
    config::{DispatchConfig, Order},
    congestion::CongestionControl,
    guard::{Guard, Network, OwnAddresses},
    resolve::{Resolve, Resolving, SystemResolver},
};
use self::{
    job::{Broken, Stream, Unwritten},
    meter::Meter,
    upstream::{Shared, Target},
};

mod addresses;
pub mod breaker;
mod config;
mod congestion;
mod connection;
mod exchange;
mod guard;
mod job;
mod meter;
mod order;
mod outcome;
mod outgoing;
mod pool;
mod random;
mod rate;
pub mod reply;
mod resolve;
mod seat;
#[cfg(test)]
mod tests;
pub mod tls;
mod turn;
mod upstream;
mod vacancy;

/// The clock that [`MirrorCopy::at`](mirror_core::pipeline::MirrorCopy::at) was read from.
pub type Clock = fn() -> Time;

/// Bytes read at once.
const SCRATCH: usize = 16 << 10;

/// Re-sends what one shard's pipeline puts out.
pub struct Dispatcher {
    shared: Rc<Shared>,
    targets: Vec<Rc<Target>>,
    /// The streamed copies that more may come of.
    streams: HashMap<CopyId, (Rc<Target>, Rc<Stream>), foldhash::fast::RandomState>,
}

impl Dispatcher {
    /// A dispatcher to `targets`, in the order that [`TargetId`](mirror_core::pipeline::TargetId)
    /// counts; of each, its destination and origin matter here. Nothing is connected or resolved before
    /// the first copy.
    ///
    /// # Errors
    ///
    /// If a target is https and `config.tls` is missing, or its host cannot be in a certificate.
    pub fn new(
        config: DispatchConfig,
        targets: impl IntoIterator<Item = TargetSpec>,
        clock: Clock,
        resolver: Rc<dyn Resolve>,
    ) -> Result<Self> {
        let shared = Rc::new(Shared {
            seed: config.seed.unwrap_or_else(random::seed),
            config,
            clock,
            resolver,
            unwritten: Unwritten::default(),
            meter: Meter::default(),
            scratch: vec![0; SCRATCH].into_boxed_slice().into(),
        });
        let targets = targets
            .into_iter()
            .map(|target| {
                let tls = match target.destination.url() {
                    Some(url) if url.scheme == Scheme::Https => Some(tls_to(&shared.config, url)?),
                    _ => None,
                };
                Ok(Target::new(Rc::clone(&shared), target, tls))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            shared,
            targets,
            streams: HashMap::default(),
        })
    }

    /// Takes one step of re-sending. Never waits; to be called inside the shard's `LocalSet`.
    pub fn handle(&mut self, output: Output) {
        match output {
            Output::Copy(copy) => {
                let id = copy.id;
                let Some(target) = self.targets.get(copy.target.0) else {
                    log::error!("a copy for {:?}, which does not exist", copy.target);
                    return;
                };
                if let Some(stream) = target.handle_copy(copy) {
                    self.streams.insert(id, (Rc::clone(target), stream));
                }
            }
            Output::Chunk {
                copy,
                bytes,
                reserved,
            } => {
                if let Some((target, stream)) = self.streams.get(&copy)
                    && !target.handle_chunk(stream, bytes, reserved)
                {
                    self.streams.remove(&copy);
                }
            }
            Output::Finish { copy, .. } => {
                if let Some((_, stream)) = self.streams.remove(&copy) {
                    stream.finish();
                }
            }
            Output::Abort { copy } => {
                if let Some((target, stream)) = self.streams.remove(&copy) {
                    target.break_off(&stream, Broken::Aborted);
                }
            }
        }
    }

    /// Whether there is room for this step; without it, [`handle`](Self::handle) drops the copy.
    #[must_use]
    pub fn has_room(&self, output: &Output) -> bool {
        match output {
            Output::Copy(copy) => self
                .targets
                .get(copy.target.0)
                .is_none_or(|target| target.has_room()),
            Output::Chunk { copy, bytes, .. } => self
                .streams
                .get(copy)
                .is_none_or(|(target, stream)| target.has_window(stream, bytes.len())),
            Output::Finish { .. } | Output::Abort { .. } => true,
        }
    }

    /// Sets the ready endpoints of a service or selector. Connections to others are closed once the copies
    /// on them have ended. Until the first list, and after an empty one, copies wait up to `endpoint_wait`.
    /// To be called inside the shard's `LocalSet`.
    ///
    /// `target` counts as in [`new`](Self::new). For a target that is a URL, or that does not exist, nothing
    /// is set, and a line is logged.
    pub fn set_addresses(&self, target: usize, addresses: &[SocketAddr]) {
        match self.targets.get(target) {
            Some(target) => target.set_addresses(addresses),
            None => log::error!("addresses for target {target}, which does not exist"),
        }
    }

    /// Handles timeouts, and names that must be resolved again. To be called every 10 to 100 ms; timeouts
    /// are only that precise.
    pub fn tick(&self) {
        let now = (self.shared.clock)();
        for target in &self.targets {
            target.tick(now);
        }
    }

    /// The books of each target.
    #[must_use]
    pub fn snapshot(&self) -> Vec<TargetCounters> {
        self.targets
            .iter()
            .map(|target| target.snapshot())
            .collect()
    }

    /// Whether nothing waits and nothing is under way.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.targets.iter().all(|target| target.is_quiet())
    }

    /// Whether the shard's thread may sleep for some milliseconds: all copies are written, and the
    /// replies may wait in their sockets.
    #[must_use]
    pub fn may_nap(&self) -> bool {
        let Shared {
            unwritten, meter, ..
        } = &*self.shared;
        unwritten.is_empty() && !meter.is_watching((self.shared.clock)())
    }

    /// Notes that the thread has slept: replies that are read now may have arrived earlier.
    pub fn handle_nap(&self) {
        self.shared.meter.handle_nap();
    }

    /// Takes no more copies, waits up to `drain_timeout` for those in flight, and gives up the rest.
    /// Afterwards nothing is in flight and the books balance.
    pub async fn shutdown(&mut self) {
        for target in &self.targets {
            target.drain();
        }
        let until = Instant::now() + self.shared.config.drain_timeout;
        while !self.is_quiet() && Instant::now() < until {
            self.tick();
            sleep(DRAIN_STEP).await;
        }
        for target in &self.targets {
            target.stop();
        }
        // Each connection was told to stop and does so in its next turn.
        while !self.is_quiet() {
            yield_now().await;
        }
        self.streams.clear();
    }
}

/// How often a drain looks whether it is done.
const DRAIN_STEP: Duration = Duration::from_millis(2);

fn tls_to(config: &DispatchConfig, url: &TargetUrl) -> Result<(TlsConnector, ServerName<'static>)> {
    let tls = config
        .tls
        .clone()
        .with_context(|| format!("{url}: not told whose certificates to trust"))?;
    let name = match &url.host {
        TargetHost::Ip(ip) => ServerName::from(*ip),
        TargetHost::Name(name) => ServerName::try_from(name.clone())
            .with_context(|| format!("{url}: no certificate can be for this host"))?,
    };
    Ok((TlsConnector::from(tls), name))
}
