//! The edge out: copies go to the targets, replies are read, counted and forgotten.
//!
//! ```text
//! Output ─► Dispatcher ─► shell ──── what happened, and when ───► pool: who sends what, when
//!                         sockets, tasks,                          │   admission, order, endpoints,
//!                         TLS, names     ◄─ open, wake, resolve ───┘   time-outs, books
//!              v2 ◄─ bytes ─┘                                      └─ wire/h1, wire/h2: bytes, replies
//! ```
//!
//! Nothing here ever makes the caller wait: a target that is slow, dead or hostile only moves counters,
//! and every copy ends in exactly one of them. A copy is sent once, unless the target has not seen it.
//! The one exception is [`Retry`]: an idempotent copy that meets a connection as the target closes it is
//! sent once more.
//!
//! # How it is divided
//!
//! [`pool`] decides everything and does nothing: it is a value, without a socket, a task or a clock.
//! `shell` does what the pool says and decides nothing. `wire` is what a version of HTTP does on a
//! connection, also without I/O; `compare` is what differs in replies; `copy` is a copy on its way. Each
//! knows only those before it: `copy < compare < wire < pool < shell`.
//!
//! What the pool keeps is in slabs and known by numbers ([`LinkId`]): a target has its queue, its
//! endpoints and its links (connections); a link has an exchange, which holds the copies whose turn it
//! is, or in HTTP/2 a session, which holds those on its streams. A copy moves by value between queue and
//! these. What all targets of a shard share (settings, streamed bodies, the meter) is handed down as an
//! argument.
//!
//! The pool is told what happened (`handle_*`), and when, and is asked what to do.
//! [`Action`](pool::Action)s are for the shell at large: open a connection, wake its task, resolve a name.
//! The task of a connection asks for its own [`work`](pool::Pool::work), and goes on until that is to wait.
//! It borrows the pool while it runs. What a stop or a time-out means for a copy is settled when the task
//! looks, not before, so that a reply that was read in time counts.
//!
//! Time-outs of replies, of idle connections, of names and of missing endpoints are the pool's: it
//! says [when](pool::Pool::poll_timeout) the next one is due. Those of connecting and of the shutdown
//! are the shell's, since only the shell waits for these.
//!
//! Because all of that is values, `pool/tests` and a fuzz target play networks against it in which
//! anything happens at any moment, and check that each copy ends in one counter, that copies of one
//! client connection arrive in order, that nothing arrives twice but what may, that limits hold, and
//! that in the end all is quiet and every byte of the budget is back.
//!
//! A dispatcher belongs to one shard and lives in its [`LocalSet`](tokio::task::LocalSet). There is
//! a task for each open connection, none for a request. Worst-case memory besides the copies
//! themselves (which carry their share of the shard's budget): 64 KiB of split reply head for each
//! connection, in HTTP/2 some 400 KiB (of frames in both directions, and fields); a few hundred bytes for each
//! waiting copy.

use std::{
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, Result};
use mirror_core::{
    counters::TargetCounters,
    destination::{Destination, Scheme, TargetHost, TargetSpec, TargetUrl},
    pipeline::{LostCopy, Output},
    segment::Time,
    verdict::Comparison,
};
use rustls::pki_types::ServerName;
use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};
use tokio_rustls::TlsConnector;

pub use self::{
    cap::SharedCap,
    compare::{ContentRules, JsonPath, WholeReply, compare_replies},
    config::DispatchConfig,
    guard::{Guard, Network, OwnAddresses},
    ids::LinkId,
    pool::{Order, Pipelining, Retry, breaker},
    shell::{
        congestion::CongestionControl,
        resolve::{Resolve, Resolving, SystemResolver},
        tls,
        trouble::Said,
    },
    wire::h1::reply,
};
use self::{
    pool::{Origin, Pool, Settings},
    shell::{Shell, Site, Tls},
};

mod cap;
mod compare;
mod config;
mod copy;
mod guard;
mod ids;
mod meter;
mod news;
mod outcome;
pub mod pool;
mod shell;
#[cfg(test)]
mod tests;
mod wire;

/// A clock, the one that [`MirrorCopy::at`](mirror_core::pipeline::MirrorCopy::at) was read from.
pub type Clock = fn() -> Time;

/// Re-sends what the pipeline of one shard puts out.
pub struct Dispatcher {
    shell: Rc<Shell>,
    drain_timeout: Duration,
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
        let mut roles = Vec::new();
        let sites: Vec<_> = targets
            .into_iter()
            .map(|target| {
                roles.push(target.role);
                let TargetSpec {
                    destination,
                    origin,
                    ..
                } = target;
                let tls = match destination.url() {
                    Some(url) if url.scheme == Scheme::Https => Some(tls_to(&config, url)?),
                    _ => None,
                };
                Ok(Site {
                    destination,
                    origin,
                    tls,
                })
            })
            .collect::<Result<_>>()?;
        let origins = sites.iter().map(|site| origin_of(&site.destination));
        let mut pool = Pool::new(Settings::from(&config), origins);
        let (groups, contents) = (config.groups.clone(), config.contents.clone());
        pool.compare(&roles, config.compare_v1, groups, contents);
        let drain_timeout = config.drain_timeout;
        let shell = Shell::new(pool, clock, resolver, sites, config);
        Ok(Self {
            shell,
            drain_timeout,
        })
    }

    /// Takes one step of re-sending. Never waits; to be called inside the shard's `LocalSet`.
    pub fn handle(&mut self, output: Output) {
        if let Output::Copy(copy) = &output
            && self.shell.site(copy.target.0).is_none()
        {
            log::error!("a copy for {:?}, which does not exist", copy.target);
            return;
        }
        self.shell.tell(|pool, now| pool.handle_output(now, output));
    }

    /// Whether there is room for this step: if not, [`handle`](Self::handle) drops what it is of.
    #[must_use]
    pub fn has_room(&self, output: &Output) -> bool {
        self.shell.ask(|pool| pool.has_room(output))
    }

    /// These are the ready endpoints of a service or selector, from now on: connections to others
    /// are closed once they have sent what they are sending. Until the first list, and after an
    /// empty one, copies wait up to `endpoint_wait`. To be called inside the shard's `LocalSet`.
    ///
    /// `target` counts as in [`new`](Self::new). One that is a URL has its addresses from there, and
    /// this is refused with a line in the log, as is a target that does not exist.
    pub fn set_addresses(&self, target: usize, addresses: &[SocketAddr]) {
        let Some(site) = self.shell.site(target) else {
            return log::error!("addresses for target {target}, which does not exist");
        };
        let set = |pool: &mut Pool, now| pool.set_addresses(now, target, addresses);
        if !self.shell.tell(set) {
            log::error!("{}: told addresses, but has its own", site.destination);
        }
    }

    /// Each target gets so many copies per second at most from now on; `None`: as many as there are. To be called
    /// inside the shard's `LocalSet`.
    pub fn set_max_rps(&self, most: Option<f64>) {
        self.shell.tell(|pool, now| pool.set_max_rps(now, most));
    }

    /// Whether targets that are overloaded get less from now on. To be called inside the shard's `LocalSet`.
    pub fn set_back_off(&self, back_off: bool) {
        self.shell.tell(|pool, _| pool.set_back_off(back_off));
    }

    /// Sees to time-outs and names. To be called every 10 to 100 ms; time-outs are that coarse.
    pub fn tick(&self) {
        self.shell.tell(Pool::handle_timeout);
    }

    /// The addresses of all targets, if they are others than when this was asked last: those that were
    /// written, told, or resolved.
    pub fn poll_addresses(&mut self) -> Option<Vec<IpAddr>> {
        self.shell.tell(|pool, _| pool.poll_addresses())
    }

    /// The books of each target.
    #[must_use]
    pub fn snapshot(&self) -> Vec<TargetCounters> {
        self.shell.ask(|pool| pool.counters().collect())
    }

    /// How requests went at a baseline and a candidate; empty where there are not both.
    #[must_use]
    pub fn comparison(&self) -> Comparison {
        self.shell
            .ask(|pool| pool.comparison().cloned().unwrap_or_default())
    }

    /// The next copy that was lost, if such are [wanted](DispatchConfig::keep_lost).
    pub fn poll_lost(&mut self) -> Option<LostCopy> {
        self.shell.tell(|pool, _| pool.poll_lost())
    }

    /// How many losses were too many in their second to be told.
    #[must_use]
    pub fn lost_untold(&self) -> u64 {
        self.shell.ask(Pool::lost_untold)
    }

    /// Whether nothing waits and nothing is under way.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.shell.ask(Pool::is_quiet)
    }

    /// Whether the shard's thread may sleep for some milliseconds: all copies are written, and the
    /// replies may wait in their sockets.
    #[must_use]
    pub fn may_nap(&self) -> bool {
        let may = |pool: &Pool| pool.is_written() && !pool.is_measuring(self.shell.now());
        self.shell.ask(may)
    }

    /// Whether it may sleep for no longer than some milliseconds, as a reply that is measured has not come yet.
    #[must_use]
    pub fn wants_short_naps(&self) -> bool {
        self.shell.ask(Pool::awaits_measured)
    }

    /// The thread slept: replies that are read now may have come before.
    pub fn handle_nap(&self) {
        self.shell.tell(|pool, _| pool.handle_nap());
    }

    /// Takes no more copies, waits up to `drain_timeout` for those that are there, and for replies that are
    /// to be compared, and gives up the rest. Afterwards all is quiet and the books are closed.
    pub async fn shutdown(&mut self) {
        self.shell.tell(|pool, _| pool.drain());
        let until = Instant::now() + self.drain_timeout;
        let goes_on = |pool: &Pool| !pool.is_quiet() || pool.is_comparing();
        while self.shell.ask(goes_on) && Instant::now() < until {
            self.tick();
            sleep(DRAIN_STEP).await;
        }
        self.shell.tell(Pool::stop);
        // Each connection was told to stop and does so in its next turn.
        while !self.is_quiet() {
            yield_now().await;
        }
    }
}

/// How often a drain looks whether it is done.
const DRAIN_STEP: Duration = Duration::from_millis(2);

fn origin_of(destination: &Destination) -> Origin {
    match destination.url() {
        None => Origin::Told,
        Some(url) => match &url.host {
            TargetHost::Ip(ip) => Origin::Written(SocketAddr::new(*ip, url.port)),
            TargetHost::Name(_) => Origin::Name,
        },
    }
}

fn tls_to(config: &DispatchConfig, url: &TargetUrl) -> Result<Tls> {
    let tls = config
        .tls
        .clone()
        .with_context(|| format!("{url}: not told whose certificates to trust"))?;
    let name = match &url.host {
        TargetHost::Ip(ip) => ServerName::from(*ip),
        TargetHost::Name(name) => ServerName::try_from(name.clone())
            .with_context(|| format!("{url}: no certificate can be for this host"))?,
    };
    Ok(Tls {
        http2: TlsConnector::from(tls::for_http2(&tls)),
        http1: TlsConnector::from(tls),
        name,
    })
}
