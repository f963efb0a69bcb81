//! A pipeline under attack, and a bystander.

use std::{net::SocketAddr, time::Duration};

use mirror_common::record::flag;
use mirror_core::{
    pipeline::{ConnectionId, Limits, MirrorCopy, Output, Pipeline, PipelineCounters},
    policy::{Policy, PolicyConfig, TargetPolicy},
    segment::{FlowId, Segment, SeqNum, TcpFlags, Time},
};

use crate::allocator;

/// What a pipeline may hold beside its budget: its tables of counters, and places for a few outputs.
const FIXED: usize = 64 << 10;

const REQUEST: &[u8] = b"GET /bystander HTTP/1.1\r\nHost: v1\r\n\r\n";

/// The client of one connection, and what it sends next.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) flow: FlowId,
    pub(crate) next: SeqNum,
}

impl Client {
    /// One of 2^32 clients.
    pub(crate) fn number(number: u32) -> Self {
        let [a, b, c, d] = number.to_be_bytes();
        let client = SocketAddr::from(([10, a, b, c], 1_024 + u16::from(d)));
        Self {
            flow: FlowId {
                client: client.into(),
                server: SocketAddr::from(([192, 0, 2, 1], 80)).into(),
                attachment: 0,
            },
            next: SeqNum(u32::MAX - 1_000),
        }
    }
}

/// What becomes of outputs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Targets {
    /// They are sent at once.
    Fast,
    /// Nothing is ever sent: all outputs stay where they are.
    Stuck,
}

pub(crate) struct Attack {
    pub(crate) pipeline: Pipeline,
    pub(crate) now: Time,
    pub(crate) limit: usize,
    targets: Targets,
    before: isize,
    spent_before: usize,
    bystander: Client,
    /// The bystander's connection, once one of its requests was mirrored.
    connection: Option<ConnectionId>,
    asked: u64,
    /// How many of the bystander's requests were mirrored.
    answered: u64,
    /// How many copies of others were whole.
    pub(crate) others: u64,
}

impl Attack {
    pub(crate) fn new(limits: Limits, targets: Targets) -> Self {
        let (before, spent_before) = (allocator::live(), allocator::total());
        allocator::forget_peak();
        let policy = PolicyConfig {
            targets: vec![TargetPolicy::default()],
            ..PolicyConfig::default()
        };
        let policy = Policy::new(policy).unwrap();
        let limit = limits.memory;
        let mut attack = Self {
            pipeline: Pipeline::new(limits, policy),
            now: Time::from_nanos(1 << 40),
            limit,
            targets,
            before,
            spent_before,
            bystander: Client::number(u32::MAX),
            connection: None,
            asked: 0,
            answered: 0,
            others: 0,
        };
        let mut bystander = attack.bystander;
        attack.connect(&mut bystander);
        attack.bystander = bystander;
        attack.ask();
        attack
    }

    pub(crate) fn connect(&mut self, client: &mut Client) {
        self.segment(client, client.next, flag::SYN, b"");
        client.next = client.next + 1;
    }

    pub(crate) fn say(&mut self, client: &mut Client, bytes: &[u8]) {
        self.segment(client, client.next, flag::ACK, bytes);
        client.next = client.next + u32::try_from(bytes.len()).unwrap();
    }

    pub(crate) fn segment(&mut self, client: &Client, seq: SeqNum, flags: u8, payload: &[u8]) {
        let (ack, flags) = (Some(SeqNum(1)), TcpFlags(flags));
        let segment = Segment::from_client(self.now, client.flow, seq, ack, flags, payload);
        self.pipeline.handle_segment(self.now, &segment);
        self.now = self.now + Duration::from_micros(20);
        if self.targets == Targets::Fast {
            self.drain();
        }
        self.check();
    }

    pub(crate) fn wait(&mut self, wait: Duration) {
        self.now = self.now + wait;
        self.pipeline.handle_timeout(self.now);
        self.drain();
        self.check();
    }

    /// Sends what there is to send.
    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.pipeline.poll_output() {
            if let Output::Copy(copy) = output {
                self.count(&copy);
            }
        }
    }

    fn count(&mut self, copy: &MirrorCopy) {
        if copy
            .pieces
            .first()
            .is_some_and(|head| head.starts_with(b"GET /bystander "))
        {
            let connection = *self.connection.get_or_insert(copy.request.connection);
            assert_eq!(copy.request.connection, connection, "it was never evicted");
            self.answered += 1;
        } else {
            self.others += 1;
        }
    }

    /// The bystander sends a request, which has to be mirrored.
    pub(crate) fn ask(&mut self) {
        let mut bystander = self.bystander;
        self.say(&mut bystander, REQUEST);
        self.bystander = bystander;
        self.asked += 1;
        self.drain();
        assert_eq!(self.answered, self.asked, "the bystander is mirrored");
    }

    /// Memory is within the budget: by the pipeline's own count and by the allocator's.
    pub(crate) fn check(&self) {
        let used = self.pipeline.budget().used();
        assert!(used <= self.limit);
        let real = (allocator::peak() - self.before).cast_unsigned();
        assert!(
            real <= self.limit + FIXED,
            "{real} bytes are allocated, the limit is {}, reserved are {used}",
            self.limit
        );
    }

    /// What is really held now beside what was there before, in bytes.
    pub(crate) fn held(&self) -> isize {
        allocator::live() - self.before
    }

    /// Bytes allocated since the attack began.
    pub(crate) fn spent(&self) -> usize {
        allocator::total() - self.spent_before
    }

    pub(crate) fn counters(&self) -> &PipelineCounters {
        self.pipeline.counters()
    }

    /// Ends it: the books balance, all memory comes back.
    pub(crate) fn end(mut self) {
        self.ask();
        self.pipeline.shutdown();
        self.drain();
        self.check();
        let counters = self.counters();
        let target = &counters.targets[0];
        assert_eq!(
            counters.requests,
            counters.lost_unseen.total() + target.dropped.total() + target.handed_over
        );
        assert_eq!(target.handed_over, self.answered + self.others);
        let (before, budget) = (self.before, self.pipeline.budget().clone());
        drop(self.pipeline);
        assert_eq!(budget.used(), 0);
        drop(budget);
        assert_eq!(allocator::live(), before);
    }
}
