//! What there is, and what happens to it besides copies and bytes.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use super::{
    super::{
        shell::Shell as _,
        vocabulary::{
            Action, Budget, LinkId, Order, Origin, Pipelining, Pool, Reserved, Retry, Settings,
            TargetCounters, Time, breaker, reply,
        },
    },
    Choices,
    copies::Facts,
    server::Conn,
};

pub(super) struct World<'a> {
    pub(super) choices: Choices<'a>,
    pub(super) pool: Pool,
    pub(super) settings: Settings,
    pub(super) now: Time,
    origins: Vec<Origin>,
    budget: Budget,
    pub(super) copies: Vec<Facts>,
    /// Streamed copies that more may come of.
    pub(super) streaming: Vec<usize>,
    /// Connections that the pool has not been told the end of.
    pub(super) conns: Vec<Conn>,
    /// Connections, those that are closed among them.
    pub(super) opened: usize,
    pub(super) woken: VecDeque<LinkId>,
    resolving: Vec<usize>,
    /// Copies given to each target.
    pub(super) given: Vec<u64>,
    /// Whether the pool was told to take no more.
    pub(super) draining: bool,
    pub(super) deliveries: Vec<Delivery>,
    /// Replies that were sent by servers, interim ones aside.
    pub(super) replies: u64,
}

/// The first byte of a copy arrived at a server.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) copy: usize,
    pub(super) conn: usize,
    /// The server said, before it answered this one, that it takes no more.
    pub(super) disclaimed: bool,
    /// The connection had answered others.
    pub(super) reused: bool,
}

/// The addresses that targets may have.
fn address(number: usize) -> SocketAddr {
    let port = u16::try_from(number).unwrap_or_default();
    SocketAddr::from(([10, 0, 0, 1], port))
}

impl<'a> World<'a> {
    pub(super) fn new(mut choices: Choices<'a>) -> Self {
        let pick = choices.of(6).min(4);
        let settings = Settings {
            order: match choices.of(4) {
                0..=2 => Order::Connection,
                _ => Order::None,
            },
            connections: 1 + choices.of(4),
            pipelining: match pick {
                4 => Pipelining::Auto,
                _ => Pipelining::UpTo([1, 2, 5, 16][pick]),
            },
            retry: [Retry::Idempotent, Retry::Idempotent, Retry::Never][choices.of(3)],
            queue: [50, 4][choices.of(2)],
            max_rps: [None, None, Some(20.0)][choices.of(3)],
            back_off: true,
            stream_window: 150,
            reply_timeout: Duration::from_secs(5),
            reply_body_timeout: Duration::from_secs(3),
            idle_timeout: Duration::from_secs(30),
            resolve_every: Duration::from_secs(30),
            endpoint_wait: Duration::from_secs(5),
            reply: reply::Limits {
                fields: 100,
                head: 300,
                body: 64,
            },
            breaker: breaker::Limits {
                failures: [1_000, 3, 1][choices.of(3)],
                ..breaker::Limits::default()
            },
            avoid: breaker::Limits {
                failures: 1,
                first_wait: Duration::from_secs(1),
                longest_wait: Duration::from_secs(4),
            },
            seed: choices.of(256) as u64,
            keep_lost: 1000,
        };
        let mut origins = Vec::new();
        for _ in 0..1 + choices.of(2) {
            origins.push(match choices.of(3) {
                0 => Origin::Written(address(1)),
                1 => Origin::Told,
                _ => Origin::Name,
            });
        }
        Self {
            choices,
            pool: Pool::new(settings.clone(), origins.iter().copied()),
            settings,
            now: Time::from_nanos(1 << 40),
            given: vec![0; origins.len()],
            origins,
            budget: Budget::new(1 << 30),
            copies: Vec::new(),
            streaming: Vec::new(),
            conns: Vec::new(),
            opened: 0,
            woken: VecDeque::new(),
            resolving: Vec::new(),
            draining: false,
            deliveries: Vec::new(),
            replies: 0,
        }
    }

    pub(super) fn reserve(&self, bytes: usize) -> Reserved {
        self.budget.reserve(bytes).unwrap()
    }

    pub(super) fn counters(&self, target: usize) -> TargetCounters {
        self.pool.counters().nth(target).unwrap()
    }

    pub(super) fn conn(&mut self, link: LinkId) -> &mut Conn {
        let mut conns = self.conns.iter_mut();
        conns.find(|conn| conn.pipe.link == link).unwrap()
    }

    /// Does what the pool says. Who runs for `own` is not woken.
    pub(super) fn handle_actions(&mut self, own: Option<LinkId>) {
        while let Some(action) = self.pool.poll_action() {
            match action {
                Action::Open { link, endpoint } => {
                    assert!(
                        self.conns.iter().all(|conn| conn.pipe.link != link),
                        "in use"
                    );
                    self.conns.push(Conn::new(link, endpoint, self.opened));
                    self.opened += 1;
                }
                Action::Wake(link) => self.wake(link, own),
                Action::SayNoHttp2(_) | Action::SayBackOff(..) => {}
                Action::Resolve(target) => {
                    assert_eq!(self.origins[target], Origin::Name);
                    assert!(!self.resolving.contains(&target), "one at a time");
                    self.resolving.push(target);
                }
            }
        }
    }

    pub(super) fn let_time_pass(&mut self) {
        let due = self.pool.poll_timeout();
        self.now = match self.choices.of(6) {
            0 => self.now + Duration::from_millis(1),
            1 => self.now + Duration::from_millis(60),
            2 => self.now + Duration::from_secs(1),
            3 => self.now + Duration::from_secs(6),
            _ => due.map_or(self.now, |due| due.max(self.now)),
        };
        self.see_to_timeouts();
    }

    pub(super) fn change_addresses(&mut self) {
        let target = self.choices.of(self.origins.len());
        let which = self.choices.of(9);
        self.set_addresses(target, which);
    }

    /// Each bit says of an address whether the target has it.
    pub(super) fn set_addresses(&mut self, target: usize, which: usize) {
        let told = self.origins[target] == Origin::Told;
        let set = self.pool.set_addresses(self.now, target, &subset(which));
        assert_eq!(set, told);
        self.act(None);
    }

    pub(super) fn resolve_something(&mut self) {
        if !self.resolving.is_empty() {
            let place = self.choices.of(self.resolving.len());
            let which = self.choices.of(9);
            self.resolve(place, which);
        }
    }

    fn resolve(&mut self, place: usize, which: usize) {
        let target = self.resolving.swap_remove(place);
        self.pool.handle_resolved(self.now, target, &subset(which));
        self.act(None);
    }

    /// All names are resolved.
    pub(super) fn resolve_all(&mut self) {
        while !self.resolving.is_empty() {
            self.resolve(0, 1);
        }
    }

    /// The mirror stops, most of the time gently.
    pub(super) fn begin_to_end(&mut self) {
        // Not too early, or nothing else happens.
        if self.choices.of(16) == 1 {
            self.draining = true;
            self.pool.drain();
            if self.choices.of(3) == 0 {
                self.pool.stop(self.now);
            }
        }
    }

    /// Whether all bytes of the memory budget are back.
    pub(super) fn is_memory_back(&self) -> bool {
        self.budget.used() == 0
    }

    /// What holds at any moment.
    pub(super) fn check(&self) {
        #[cfg(debug_assertions)]
        self.pool.audit();
        let mut answered = 0;
        for (target, counters) in self.pool.counters().enumerate() {
            assert!(counters.balanced(), "{counters:?}");
            assert_eq!(counters.given(), self.given[target], "{counters:?}");
            let open = self
                .conns
                .iter()
                .filter(|conn| conn.pipe.link.target == target);
            assert_eq!(counters.open, open.count() as u64);
            // Those that are held do not count.
            assert!(counters.open <= 2 * self.settings.connections as u64);
            answered += counters.answered.total();
        }
        assert!(answered <= self.replies, "answered by nobody");
        let quiet = self.pool.is_quiet();
        assert!(!quiet || self.pool.is_written(), "quiet, and not written");
    }
}

fn subset(which: usize) -> Vec<SocketAddr> {
    (0..3)
        .filter(|bit| which & (1 << bit) != 0)
        .map(|bit| address(bit + 1))
        .collect()
}
