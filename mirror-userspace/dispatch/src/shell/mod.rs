//! Does what the pool says, with real sockets: tasks, TLS, names, wakers. Decides nothing.
//!
//! There is a task for each open connection, none for a request. A task borrows the pool while it
//! runs, and does what has to be done elsewhere when it is through: nothing that runs meanwhile
//! calls back.

pub(super) mod congestion;
mod connect;
mod connection;
mod discard;
pub(super) mod resolve;
pub mod tls;
pub(super) mod trouble;

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    task::{Context, Waker},
    time::Duration,
};

use mirror_core::{
    destination::{Destination, Origin, TargetUrl},
    segment::Time,
};
use rustls::pki_types::ServerName;
use tokio::task::spawn_local;
use tokio_rustls::TlsConnector;

use self::{
    congestion::CongestionControl,
    resolve::Resolve,
    trouble::{Said, Trouble},
};
use super::{
    Clock, DispatchConfig,
    guard::Guard,
    ids::LinkId,
    pool::{Action, Pool},
};

/// Bytes read at once.
const SCRATCH: usize = 16 << 10;

/// Bytes discarded at once, at most.
const DISCARDED: usize = 1 << 20;

/// A pool, and what it takes to do what it says.
pub(super) struct Shell {
    pool: RefCell<Pool>,
    clock: Clock,
    resolver: Rc<dyn Resolve>,
    sites: Vec<Site>,
    connect_timeout: Duration,
    congestion_control: CongestionControl,
    guard: Guard,
    said: Said,
    /// Who waits for word of a connection, by the connection's target and place.
    wakers: RefCell<Vec<Vec<Option<Waker>>>>,
    /// Where replies are read to, into its first [`SCRATCH`] bytes, which are looked at before anyone else
    /// reads. The others are address space only: nothing is ever written there.
    scratch: RefCell<Box<[u8]>>,
}

/// What a target is to whoever connects to it.
pub(super) struct Site {
    pub(super) destination: Destination,
    pub(super) origin: Origin,
    /// What TLS needs; `None` for `http` targets.
    pub(super) tls: Option<Tls>,
}

/// How to begin TLS.
pub(super) struct Tls {
    /// Offers `http/1.1` only.
    pub(super) http1: TlsConnector,
    /// Offers `h2` only.
    pub(super) http2: TlsConnector,
    /// Whose certificate to ask for.
    pub(super) name: ServerName<'static>,
}

impl Shell {
    pub(super) fn new(
        pool: Pool,
        clock: Clock,
        resolver: Rc<dyn Resolve>,
        sites: Vec<Site>,
        config: DispatchConfig,
    ) -> Rc<Self> {
        let wakers = sites.iter().map(|_| Vec::new()).collect();
        Rc::new(Self {
            pool: RefCell::new(pool),
            clock,
            resolver,
            sites,
            connect_timeout: config.connect_timeout,
            congestion_control: config.congestion_control,
            guard: config.guard,
            said: config.said,
            wakers: RefCell::new(wakers),
            scratch: RefCell::new(vec![0; DISCARDED].into()),
        })
    }

    pub(super) fn now(&self) -> Time {
        (self.clock)()
    }

    pub(super) fn site(&self, target: usize) -> Option<&Site> {
        self.sites.get(target)
    }

    /// Asks the pool something.
    pub(super) fn ask<R>(&self, ask: impl FnOnce(&Pool) -> R) -> R {
        ask(&self.pool.borrow())
    }

    /// Tells the pool something, now, and does what it says to that.
    pub(super) fn tell<R>(self: &Rc<Self>, tell: impl FnOnce(&mut Pool, Time) -> R) -> R {
        let pool = &mut *self.pool.borrow_mut();
        let told = tell(pool, self.now());
        self.act(pool, None);
        told
    }

    /// Does what the pool says. Whoever runs for the connection `own` need not be woken.
    fn act(self: &Rc<Self>, pool: &mut Pool, own: Option<LinkId>) {
        while let Some(action) = pool.poll_action() {
            match action {
                Action::Wake(link) if own == Some(link) => {}
                Action::Wake(link) => self.wake(link),
                Action::Open { link, endpoint } => self.open(link, endpoint),
                Action::Resolve(target) => self.resolve(target),
                Action::SayBackOff(target, turn) => {
                    if let Some(site) = self.site(target) {
                        self.said.tell_turn(&site.destination, turn, self.now());
                    }
                }
                Action::SayNoHttp2(target) => {
                    if let Some(site) = self.site(target) {
                        self.said
                            .tell(&site.destination, &Trouble::NoHttp2, self.now());
                    }
                }
            }
        }
    }

    fn open(self: &Rc<Self>, link: LinkId, endpoint: SocketAddr) {
        spawn_local(connection::run(Rc::clone(self), link, endpoint));
    }

    fn resolve(self: &Rc<Self>, target: usize) {
        let Some(Destination::Url(TargetUrl { host, port, .. })) =
            self.site(target).map(|site| &site.destination)
        else {
            return;
        };
        let resolving = self.resolver.resolve(&host.to_string(), *port);
        let shell = Rc::clone(self);
        spawn_local(async move {
            let found = resolving.await.unwrap_or_default();
            shell.tell(|pool, now| pool.handle_resolved(now, target, &found));
        });
    }

    /// Has the task that runs now woken when there is word of the connection.
    fn listen(&self, cx: &Context<'_>, link: LinkId) {
        let mut wakers = self.wakers.borrow_mut();
        let Some(wakers) = wakers.get_mut(link.target) else {
            return;
        };
        if wakers.len() <= link.slot {
            wakers.resize(link.slot + 1, None);
        }
        if let Some(waker) = wakers.get_mut(link.slot)
            && !waker
                .as_ref()
                .is_some_and(|known| known.will_wake(cx.waker()))
        {
            *waker = Some(cx.waker().clone());
        }
    }

    fn wake(&self, link: LinkId) {
        let wakers = self.wakers.borrow();
        let wakers = wakers.get(link.target);
        if let Some(Some(waker)) = wakers.and_then(|wakers| wakers.get(link.slot)) {
            waker.wake_by_ref();
        }
    }

    /// Nobody waits for word of the connection any more.
    fn forget(&self, link: LinkId) {
        let mut wakers = self.wakers.borrow_mut();
        let wakers = wakers.get_mut(link.target);
        if let Some(waker) = wakers.and_then(|wakers| wakers.get_mut(link.slot)) {
            *waker = None;
        }
    }
}
