//! What there is, and what happens to it besides bytes.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use bytes::Bytes;
use mirror_core::{
    budget::{Budget, Reserved},
    counters::TargetCounters,
    pipeline::{
        ConnectionId, CopyId, Effect, Expect, GivenUp, MirrorCopy, Output, Persistence, RequestKey,
        Rest, TargetId, Wire,
    },
    segment::Time,
};

use super::{
    super::{
        shell::Shell as _,
        vocabulary::{
            Action, DispatchConfig, LinkId, Order, Origin, Pool, Retry, Settings, breaker,
        },
    },
    Choices,
    server::Conn,
};

/// A copy, as the world knows it.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) client: u64,
    pub(super) head: usize,
    /// Bytes of body that the pool was given.
    pub(super) body: usize,
    pub(super) trailers: bool,
    /// Whether there will be no more of it.
    pub(super) whole: bool,
    pub(super) streamed: bool,
    pub(super) idempotent: bool,
}

/// A copy began to arrive.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) copy: usize,
    pub(super) conn: usize,
    /// The target said that it did not take it.
    pub(super) untaken: bool,
    /// Its connection had answered others, and is over.
    pub(super) lost_with_others: bool,
}

pub(super) struct World {
    pub(super) choices: Choices,
    pub(super) pool: Pool,
    pub(super) settings: Settings,
    pub(super) now: Time,
    budget: Budget,
    pub(super) copies: Vec<Facts>,
    pub(super) streaming: Vec<usize>,
    pub(super) conns: Vec<Conn>,
    pub(super) opened: usize,
    pub(super) woken: VecDeque<LinkId>,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) replies: u64,
    /// The world turns kind.
    pub(super) kind: bool,
    /// No connection has ended or was full: copies had no reason to go on another one.
    pub(super) calm: bool,
}

/// The byte of a copy's body at a place.
pub(super) fn byte(copy: usize, at: usize) -> u8 {
    u8::try_from(copy.wrapping_mul(31).wrapping_add(at.wrapping_mul(7)) % 251).unwrap()
}

/// A header block, as far as anybody here reads it: the copy's number, then anything.
pub(super) fn block(copy: usize, len: usize) -> Bytes {
    let mut block = u32::try_from(copy).unwrap().to_be_bytes().to_vec();
    block.resize(len, b'h');
    block.into()
}

fn body(copy: usize, from: usize, to: usize) -> Bytes {
    (from..to).map(|at| byte(copy, at)).collect()
}

fn address(number: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], u16::try_from(number).unwrap()))
}

impl World {
    pub(super) fn new(mut choices: Choices) -> Self {
        let mut settings = Settings::from(&DispatchConfig {
            keep_lost: 1000,
            connections: 1 + choices.of(3),
            retry: [Retry::Idempotent, Retry::Idempotent, Retry::Never][choices.of(3)],
            order: [Order::Connection, Order::Connection, Order::None][choices.of(3)],
            queue: [200, 20][choices.of(2)],
            stream_window: 30_000,
            reply_body: 5_000,
            reply_head: 500,
            seed: Some(choices.of(256) as u64),
            ..DispatchConfig::default()
        });
        settings.breaker = breaker::Limits {
            failures: [1_000, 3][choices.of(2)],
            ..breaker::Limits::default()
        };
        let mut pool = Pool::new(settings.clone(), [Origin::Told]);
        let now = Time::from_nanos(1 << 40);
        assert!(pool.set_addresses(now, 0, &[address(1), address(2)]));
        Self {
            choices,
            pool,
            settings,
            now,
            budget: Budget::new(1 << 30),
            copies: Vec::new(),
            streaming: Vec::new(),
            conns: Vec::new(),
            opened: 0,
            woken: VecDeque::new(),
            deliveries: Vec::new(),
            replies: 0,
            kind: false,
            calm: true,
        }
    }

    fn reserve(&self, bytes: usize) -> Reserved {
        self.budget.reserve(bytes).unwrap()
    }

    fn hand_over(&mut self, output: Output) {
        self.pool.handle_output(self.now, output);
    }

    pub(super) fn give_copy(&mut self) {
        let copy = self.copies.len();
        let client = self.choices.of(4) as u64;
        let head = [10, 40, 20_000][[0, 0, 0, 1, 2][self.choices.of(5)]];
        let len = [0, 0, 9, 3_000, 25_000][self.choices.of(5)];
        let streamed = self.choices.of(3) == 2;
        let trailers = self.choices.of(3) == 2;
        let idempotent = self.choices.of(2) == 1;
        self.copies.push(Facts {
            client,
            head,
            body: len,
            trailers: trailers && !streamed,
            whole: !streamed,
            streamed,
            idempotent,
        });
        if streamed {
            self.streaming.push(copy);
        }
        let trailers = (trailers && !streamed).then(|| block(copy, 30));
        let pieces = vec![
            block(copy, head),
            body(copy, 0, len / 3),
            body(copy, len / 3, len),
        ];
        let reserved = self.reserve(head + len);
        self.hand_over(Output::Copy(MirrorCopy {
            id: CopyId(copy as u64),
            target: TargetId(0),
            request: self.request(copy),
            at: self.now,
            wire: Wire::Http2 { trailers },
            pieces,
            rest: if streamed {
                Rest::Streamed
            } else {
                Rest::Complete
            },
            expect: Expect::Body,
            persistence: Persistence::Persistent,
            effect: if idempotent {
                Effect::Idempotent
            } else {
                Effect::Repeats
            },
            reserved,
        }));
    }

    fn request(&self, copy: usize) -> RequestKey {
        RequestKey {
            connection: ConnectionId(self.copies[copy].client),
            number: 2 * u32::try_from(copy).unwrap() + 1,
        }
    }

    pub(super) fn continue_stream(&mut self) {
        if self.streaming.is_empty() {
            return;
        }
        let place = self.choices.of(self.streaming.len());
        let what = self.choices.of(8);
        if what >= 5 {
            return self.end_stream(place, what == 5);
        }
        let copy = self.streaming[place];
        let more = [100, 1, 0, 5_000, 20_000][what];
        let from = self.copies[copy].body;
        self.copies[copy].body += more;
        let reserved = self.reserve(more);
        self.hand_over(Output::Chunk {
            copy: CopyId(copy as u64),
            bytes: body(copy, from, from + more),
            reserved,
        });
    }

    pub(super) fn end_stream(&mut self, place: usize, breaks: bool) {
        let copy = self.streaming.swap_remove(place);
        let id = CopyId(copy as u64);
        if breaks {
            return self.hand_over(Output::Abort {
                copy: id,
                cause: mirror_core::pipeline::DropReason::OverBudget,
            });
        }
        let trailers = self.choices.of(2) == 1;
        self.copies[copy].whole = true;
        self.copies[copy].trailers = trailers;
        let reserved = self.reserve(if trailers { 30 } else { 0 });
        self.hand_over(Output::Finish {
            copy: id,
            at: self.now,
            trailers: trailers.then(|| block(copy, 30)),
            reserved,
        });
    }

    pub(super) fn cancel_something(&mut self) {
        if !self.copies.is_empty() {
            // One of the last ones, or there is nothing to cancel any more.
            let from = self.copies.len().saturating_sub(20);
            let copy = from + self.choices.of(self.copies.len() - from);
            let request = self.request(copy);
            let why = match self.choices.of(2) {
                0 => GivenUp::ByClient,
                _ => GivenUp::RefusedByV1,
            };
            if self.copies[copy].whole || why == GivenUp::RefusedByV1 {
                self.streaming.retain(|streaming| *streaming != copy);
                self.hand_over(Output::Cancel { request, why });
            }
        }
    }

    pub(super) fn let_time_pass(&mut self) {
        let due = self.pool.poll_timeout();
        self.now = match self.choices.of(8) {
            0..=2 => self.now + Duration::from_millis(1),
            3 | 4 => self.now + Duration::from_millis(100),
            5 => self.now + Duration::from_secs(6),
            _ => due.map_or(self.now, |due| due.max(self.now)),
        };
        self.see_to_timeouts();
    }

    /// Endpoints come and go; rarely, the mirror stops.
    pub(super) fn change_something(&mut self) {
        match self.choices.of(12) {
            0 => self.pool.drain(),
            1 if self.choices.of(4) == 0 => self.pool.stop(self.now),
            2 => self.pool.handle_nap(),
            n @ 3..=6 => {
                self.calm = false;
                let sockets = [address(1 + n % 3), address(2)];
                assert!(self.pool.set_addresses(self.now, 0, &sockets));
            }
            _ => {}
        }
    }

    /// Does what the pool says. Who runs for `own` is not woken.
    pub(super) fn handle_actions(&mut self, own: Option<LinkId>) {
        while let Some(action) = self.pool.poll_action() {
            match action {
                Action::Open { link, .. } => {
                    assert!(
                        self.conns.iter().all(|conn| conn.pipe.link != link),
                        "in use"
                    );
                    assert!(self.pool.is_http2(link));
                    self.conns.push(Conn::new(link, self.opened));
                    self.opened += 1;
                }
                Action::Wake(link) => self.wake(link, own),
                Action::SayNoHttp2(target) => assert_eq!(target, 0),
                Action::SayBackOff(..) => {}
                Action::Resolve(_) => unreachable!("addresses are told"),
            }
        }
    }

    pub(super) fn counters(&self) -> TargetCounters {
        self.pool.counters().next().unwrap()
    }

    pub(super) fn is_memory_back(&self) -> bool {
        self.budget.used() == 0
    }

    /// What holds at any moment.
    pub(super) fn check(&self) {
        #[cfg(debug_assertions)]
        self.pool.audit();
        let counters = self.counters();
        assert!(counters.balanced(), "{counters:?}");
        assert_eq!(counters.given(), self.copies.len() as u64, "{counters:?}");
        assert_eq!(counters.open, self.conns.len() as u64);
        assert!(counters.open <= self.settings.connections as u64);
        assert!(
            counters.answered.total() <= self.replies,
            "answered by nobody"
        );
        let quiet = self.pool.is_quiet() && self.streaming.is_empty();
        assert!(
            !quiet || self.pool.is_written() || !self.kind,
            "quiet, and not written"
        );
    }
}
