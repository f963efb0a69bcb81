//! Numbers for connections, in the order of their first segments, as Wireshark's `tcp.stream`.
//!
//! Both directions are one connection; a SYN that starts anew on a used 4-tuple is another one.
//! A file may hold any number of connections, so only those used last are remembered: in two
//! generations, the older one dropped when the younger is full.

use std::{collections::HashMap, fmt};

use mirror_core::segment::{Endpoint, FlowId, Segment, SeqNum};

/// Connections in a generation.
const GENERATION: usize = 65_536;

/// The number of a connection in a capture file, from 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamNumber(pub u64);

impl fmt::Display for StreamNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The two ends of a connection, the lower one first: the same in both directions.
type Ends = (Endpoint, Endpoint);

#[derive(Debug, Default)]
pub(super) struct Streams {
    next: u64,
    young: HashMap<Ends, Stream, foldhash::fast::RandomState>,
    old: HashMap<Ends, Stream, foldhash::fast::RandomState>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    number: StreamNumber,
    opening: Option<Opening>,
}

/// How a connection was opened.
#[derive(Clone, Copy, Debug)]
struct Opening {
    /// The client's initial sequence number.
    seq: SeqNum,
    /// The client; `None` if both ends opened (RFC 9293 section 3.5, simultaneous open).
    client: Option<Endpoint>,
}

/// Who sent a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// Who opened the connection.
    Client,
    /// Neither end is known for the client.
    MaybeClient,
    /// Whom the other opened it to.
    Server,
}

impl Streams {
    /// The number of the connection that a segment belongs to, and which end sent it.
    pub(super) fn number(&mut self, segment: &Segment<'_>) -> (StreamNumber, Sender) {
        let ends = ends(segment);
        let known = self.young.get(&ends).or_else(|| self.old.get(&ends));
        let stream = match known {
            Some(known) if known.is_opened_by_both(segment) => known.without_client(),
            Some(known) if !known.is_left_by(segment) => *known,
            _ => {
                self.next += 1;
                Stream {
                    number: StreamNumber(self.next - 1),
                    opening: Opening::of(segment),
                }
            }
        };
        if self.young.len() >= GENERATION && !self.young.contains_key(&ends) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(ends, stream);
        let sender = match stream.opening.and_then(|opening| opening.client) {
            Some(client) if client == segment.flow.client => Sender::Client,
            Some(_) => Sender::Server,
            None => Sender::MaybeClient,
        };
        (stream.number, sender)
    }
}

impl Stream {
    /// Whether a segment of the same two ends belongs to a later connection.
    fn is_left_by(&self, segment: &Segment<'_>) -> bool {
        match (Opening::of(segment), self.opening) {
            (None, _) => false,
            (Some(_), None) => true,
            // A SYN-ACK answers the SYN that was seen, whatever it acknowledges: data that came with
            // the SYN (RFC 7413), or nonsense.
            (Some(_), Some(_)) if segment.flags.ack() => false,
            (Some(new), Some(known)) => new.seq != known.seq && known.client.is_some(),
        }
    }

    /// Whether this is a SYN to who sent one.
    fn is_opened_by_both(&self, segment: &Segment<'_>) -> bool {
        let client = self.opening.and_then(|opening| opening.client);
        segment.flags.syn() && segment.ack.is_none() && client == Some(segment.flow.server)
    }

    fn without_client(self) -> Self {
        let opening = self.opening.map(|opening| Opening {
            client: None,
            ..opening
        });
        Self { opening, ..self }
    }
}

impl Opening {
    /// What a segment tells, if it opens a connection. A SYN-ACK tells the client's number by what
    /// it acknowledges: the SYN may be missing, or come later in a capture that is out of order.
    fn of(segment: &Segment<'_>) -> Option<Self> {
        let (seq, client) = match segment.ack {
            _ if !segment.flags.syn() => return None,
            Some(ack) => (ack - 1, segment.flow.server),
            None => (segment.seq, segment.flow.client),
        };
        Some(Self {
            seq,
            client: Some(client),
        })
    }
}

fn ends(segment: &Segment<'_>) -> Ends {
    let FlowId { client, server, .. } = segment.flow;
    (client.min(server), client.max(server))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use mirror_common::record::flag;

    use super::*;
    use mirror_core::segment::{Direction, TcpFlags, Time};

    fn segment(from: u16, to: u16, flags: u8, seq: u32, ack: u32) -> Segment<'static> {
        let flags = TcpFlags(flags);
        Segment {
            at: Time::default(),
            flow: FlowId {
                client: SocketAddr::from(([9; 4], from)).into(),
                server: SocketAddr::from(([9; 4], to)).into(),
                attachment: 0,
            },
            seq: SeqNum(seq),
            ack: flags.ack().then_some(SeqNum(ack)),
            flags,
            urgent: None,
            direction: Direction::ToServer,
            expected: None,
            starts_segment: true,
            payload: &[],
            wire_len: 0,
        }
    }

    const SYN_ACK: u8 = flag::SYN | flag::ACK;

    /// The numbers given to these segments.
    fn numbers(segments: &[Segment<'_>]) -> Vec<u64> {
        let mut streams = Streams::default();
        segments.iter().map(|s| streams.number(s).0.0).collect()
    }

    #[test]
    fn both_directions_and_a_repeated_syn_are_one_connection() {
        let given = numbers(&[
            segment(1, 80, flag::SYN, 100, 0),
            segment(2, 80, flag::SYN, 100, 0),
            segment(80, 1, SYN_ACK, 500, 101),
            segment(1, 80, flag::SYN, 100, 0),
            segment(1, 80, flag::ACK, 101, 501),
            segment(80, 2, flag::ACK, 1, 1),
        ]);
        assert_eq!(given, [0, 1, 0, 0, 0, 1]);
    }

    #[test]
    fn a_new_syn_on_a_used_4_tuple_is_a_new_connection() {
        let given = numbers(&[
            segment(1, 80, flag::ACK, 7, 7),
            segment(1, 80, flag::SYN, 100, 0),
            segment(1, 80, flag::SYN, 200_000, 0),
            segment(80, 1, SYN_ACK, 500, 200_001),
            segment(80, 1, SYN_ACK, 900, 1),
            segment(2, 80, flag::ACK, 7, 7),
            segment(80, 2, SYN_ACK, 900, 1),
        ]);
        assert_eq!(
            given,
            [0, 1, 2, 2, 2, 3, 4],
            "the last one's SYN was not captured"
        );
    }

    #[test]
    fn a_syn_ack_that_acknowledges_data_or_comes_first_is_no_new_connection() {
        let given = numbers(&[
            segment(1, 80, flag::SYN, u32::MAX, 0),
            segment(80, 1, SYN_ACK, 500, 300),
            segment(80, 2, SYN_ACK, 500, 41),
            segment(2, 80, flag::SYN, 40, 0),
        ]);
        assert_eq!(given, [0, 0, 1, 1]);
    }

    #[test]
    fn the_server_is_who_was_sent_a_syn() {
        let (request, reply) = (segment(1, 80, 0, 101, 0), segment(80, 1, 0, 501, 0));
        let senders = |opening: &[Segment<'_>]| {
            let mut streams = Streams::default();
            for segment in opening {
                streams.number(segment);
            }
            [streams.number(&request).1, streams.number(&reply).1]
        };
        use Sender::{Client, MaybeClient, Server};
        let syn = segment(1, 80, flag::SYN, 100, 0);
        assert_eq!(
            senders(&[]),
            [MaybeClient, MaybeClient],
            "picked up in the middle"
        );
        assert_eq!(senders(&[syn]), [Client, Server]);
        assert_eq!(
            senders(&[segment(80, 1, SYN_ACK, 500, 101)]),
            [Client, Server]
        );
        let both = [syn, segment(80, 1, flag::SYN, 500, 0)];
        assert_eq!(
            senders(&both),
            [MaybeClient, MaybeClient],
            "simultaneous open"
        );
        let reused = [reply, syn];
        assert_eq!(senders(&reused), [Client, Server]);
    }

    #[test]
    fn connections_in_use_keep_their_number_and_memory_stays_bounded() {
        let mut streams = Streams::default();
        let busy = segment(1, 80, flag::ACK, 1, 1);
        assert_eq!(streams.number(&busy).0, StreamNumber(0));
        for other in 1..=(3 * 65_536_u32) {
            let mut other_segment = segment(2, 80, flag::ACK, 1, 1);
            other_segment.flow.client.address[..4].copy_from_slice(&other.to_be_bytes());
            assert_eq!(streams.number(&other_segment).0.0, u64::from(other));
            assert_eq!(streams.number(&busy).0, StreamNumber(0));
        }
        assert!(streams.young.len() <= GENERATION && streams.old.len() <= GENERATION);
    }
}
