//! A pipeline, its clients, and what its target received.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use mirror_common::record::flag;
use mirror_core::{
    pipeline::{ConnectionId, CopyId, Limits, Output, Pipeline, Rest},
    policy::{Policy, PolicyConfig, TargetPolicy},
    segment::{FlowId, Segment, SeqNum, TcpFlags, Time},
};

/// A connection's sending end: sequence numbers count from its first byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) number: u8,
    pub(crate) first: SeqNum,
}

/// What is particular to a segment.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sent<'a> {
    /// Where in the stream its first byte stands.
    pub(crate) at: usize,
    pub(crate) bytes: &'a [u8],
    pub(crate) fin: bool,
    /// How much the client had received by then.
    pub(crate) ack: u32,
}

pub(crate) struct Mirror {
    pub(crate) pipeline: Pipeline,
    now: Time,
    /// The copies of each connection, in order; those that were aborted are not there.
    pub(crate) copies: HashMap<ConnectionId, Vec<Vec<u8>>>,
    streaming: HashMap<CopyId, (ConnectionId, Vec<u8>)>,
}

impl Mirror {
    pub(crate) fn new(limits: Limits) -> Self {
        let policy = PolicyConfig {
            targets: vec![TargetPolicy::default()],
            ..PolicyConfig::default()
        };
        Self {
            pipeline: Pipeline::new(limits, Policy::new(policy).unwrap()),
            now: Time::from_nanos(1 << 40),
            copies: HashMap::new(),
            streaming: HashMap::new(),
        }
    }

    pub(crate) fn connect(&mut self, client: Client) {
        self.segment(client, client.first - 1, flag::SYN, 0, &[]);
    }

    pub(crate) fn send(&mut self, client: Client, sent: Sent<'_>) {
        let flags = if sent.fin {
            flag::ACK | flag::FIN
        } else {
            flag::ACK
        };
        let seq = client.first + u32::try_from(sent.at).unwrap();
        self.segment(client, seq, flags, sent.ack, sent.bytes);
    }

    fn segment(&mut self, client: Client, seq: SeqNum, flags: u8, ack: u32, payload: &[u8]) {
        let address = SocketAddr::from(([10, 0, 0, client.number], 4_000));
        let flow = FlowId {
            client: address.into(),
            server: SocketAddr::from(([10, 1, 0, 1], 80)).into(),
            attachment: 0,
        };
        let (ack, flags) = (Some(SeqNum(ack)), TcpFlags(flags));
        let segment = Segment::from_client(self.now, flow, seq, ack, flags, payload);
        self.pipeline.handle_segment(self.now, &segment);
        self.now = self.now + Duration::from_micros(10);
        self.drain();
    }

    pub(crate) fn wait(&mut self, wait: Duration) {
        self.now = self.now + wait;
        self.pipeline.handle_timeout(self.now);
        self.drain();
    }

    /// Sends at once what there is to send.
    fn drain(&mut self) {
        while let Some(output) = self.pipeline.poll_output() {
            match output {
                Output::Copy(copy) => {
                    let bytes = copy.pieces.concat();
                    if copy.rest == Rest::Complete {
                        self.copies
                            .entry(copy.request.connection)
                            .or_default()
                            .push(bytes);
                    } else {
                        self.streaming
                            .insert(copy.id, (copy.request.connection, bytes));
                    }
                }
                Output::Chunk { copy, bytes, .. } => {
                    let (_, received) = self.streaming.get_mut(&copy).unwrap();
                    received.extend_from_slice(&bytes);
                }
                Output::Finish { copy, .. } => {
                    let (connection, bytes) = self.streaming.remove(&copy).unwrap();
                    self.copies.entry(connection).or_default().push(bytes);
                }
                Output::Abort { copy, .. } => assert!(self.streaming.remove(&copy).is_some()),
                Output::Cancel { .. } => unreachable!("HTTP/1 has no such thing"),
                Output::Answer { .. } | Output::Reply { .. } | Output::OfV1 { .. } => {
                    unreachable!("nobody asked for v1's answers")
                }
            }
        }
        let budget = self.pipeline.budget();
        assert!(budget.used() <= budget.limit());
    }

    /// The balance, at a moment when no request is being assembled.
    pub(crate) fn check_balance(&self) {
        assert!(self.streaming.is_empty());
        let counters = self.pipeline.counters();
        let target = &counters.targets[0];
        assert_eq!(
            counters.requests,
            counters.filtered.iter().sum::<u64>()
                + counters.lost_unseen.total()
                + target.sampled_out
                + target.dropped.total()
                + target.handed_over,
            "{counters:?}"
        );
        let flow = self.pipeline.flow_counters();
        assert_eq!(
            flow.opened,
            flow.closed.total() + self.pipeline.connections() as u64
        );
    }
}
