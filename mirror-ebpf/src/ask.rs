//! What v1's own kernel knows of the connection that a segment is for: its state, what it waits for,
//! and what it has sent. A segment that it would not take is no part of a request.
//!
//! Refused is only what no socket of Linux takes; where that can't be told from here, the segment
//! passes. So a segment may be ahead of `rcv_nxt` (a busy socket's backlog), behind it (sent again),
//! and acknowledge a little more than `snd_nxt` (an ACK may overtake a burst).
//!
//! A mesh's REDIRECT inside the pod gives a connection another port after this hook, so that no socket
//! ever has a connection on the port that the frame names. So a missing socket, or a listener, proves
//! nothing before a connection of the port has been seen (see [`ANSWERED`]), nor where a mesh's proxy
//! listens, which may leave some connections as they are, such as the kubelet's probes (see [`MESHES`]).
//!
//! A frame for another station is refused only where this namespace has its connection, or has had
//! others of the port: a port that receives copies of others' frames has none.

mod cookies;
mod socket;

use aya_ebpf::{
    bindings::{__sk_buff, bpf_sock_tuple},
    btf_maps::{Array, PerCpuArray},
    helpers::generated::{bpf_skb_load_bytes, bpf_skc_lookup_tcp},
    macros::btf_map,
    programs::TcContext,
};
use mirror_common::{
    counter::Counter,
    packet::{Network, TcpSegment},
    record::{MAX_SEGMENT, SocketState, flag},
    settings::{MAX_PORTS, SEATS, Settings},
};

use crate::maps::SETTINGS;
use socket::{Numbers, Socket};

/// By seat, and in each by place in [`Settings::ports`]: not 0 once a connection of the port has been seen.
#[btf_map]
static ANSWERED: Array<u32, { SEATS * MAX_PORTS }> = Array::new();

/// What is asked on this CPU: [`look`] has no room for it on its stack.
#[btf_map]
static QUESTION: PerCpuArray<Question, 1> = PerCpuArray::new();

/// Where meshes have connections redirected to: Istio's Envoy and ztunnel, and Kuma's; Linkerd's proxy;
/// Consul's.
const MESHES: [u16; 3] = [15_006, 4_143, 20_000];

/// How far a segment may be ahead of what the socket waits for, or acknowledge what was acknowledged
/// already: more than windows are in practice (32 MiB).
const REACH: i32 = 32 << 20;
/// How far a segment may be behind: nothing else has a use for half of that space (RFC 9293 section 3.4).
const BEHIND: i32 = -(1 << 30);
/// How much an ACK may overtake: the socket counts an skb as sent only after it has left, and one is
/// at most 512 kB (BIG TCP).
const OVERTAKEN: i32 = MAX_SEGMENT as i32;

/// The namespace of the interface.
const CURRENT_NETNS: u64 = u64::MAX;

// The states of the kernel's sockets (`include/net/tcp_states.h`).
const ESTABLISHED: u32 = 1;
const SYN_SENT: u32 = 2;
const SYN_RECV: u32 = 3;
const TIME_WAIT: u32 = 6;
const CLOSE: u32 = 7;
const LISTEN: u32 = 10;
const NEW_SYN_RECV: u32 = 12;

/// There is no socket; not one of the kernel's states.
const NONE: u32 = 0;

/// A segment that came to this interface, and what is needed to ask for its socket.
#[repr(C)]
struct Question {
    /// When it is asked, in nanoseconds.
    now: u64,
    /// Two addresses, and two ports behind them, as the kernel looks for a connection.
    tuple: [u32; 9],
    /// The IP header, without options.
    ip: [u32; 10],
    /// A TCP header without options: of the segment's, the kernel reads no more.
    tcp: [u32; 5],
    /// Of the attachment.
    seat: u32,
    network_offset: u32,
    is_ipv6: u32,
    source_port: u16,
    destination_port: u16,
    sequence: u32,
    acknowledgment: u32,
    payload_len: u32,
    flags: u32,
    /// What the socket says.
    numbers: Numbers,
}

/// What the kernel says, in one number, which is all that a function may return.
#[derive(Clone, Copy)]
pub struct Answer(u64);

/// It has no answer.
pub const NOT_ASKED: Answer = takes(SocketState::NotAsked, 0);

impl Answer {
    /// The [`Counter`] of why it does not take the segment; 0 if it may take it.
    #[inline(always)]
    pub const fn refused(self) -> u32 {
        self.0 as u32 >> 8
    }

    /// What it has for it, a [`SocketState`].
    #[inline(always)]
    pub const fn socket(self) -> u32 {
        self.0 as u32 & 0xff
    }

    /// The sequence number that it waits for, if the state has one.
    #[inline(always)]
    pub const fn expected(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

#[inline(always)]
const fn takes(socket: SocketState, expected: u32) -> Answer {
    Answer((expected as u64) << 32 | socket as u64)
}

#[inline(always)]
const fn refuses(why: u32) -> Answer {
    Answer((why as u64) << 8)
}

/// Asks for the socket of a segment that came to this interface now.
#[inline(always)]
pub fn ask(ctx: &TcContext, seat: u32, segment: &TcpSegment, now: u64) -> Answer {
    let Some(question) = QUESTION.get_ptr_mut(0) else {
        return NOT_ASKED;
    };
    // SAFETY: the map returned this CPU's question, which no one else touches before the program ends.
    let question = unsafe { &mut *question };
    question.now = now;
    question.seat = seat;
    question.network_offset = segment.network_offset as u32;
    question.is_ipv6 = (segment.network == Network::V6) as u32;
    question.source_port = segment.source_port;
    question.destination_port = segment.destination_port;
    question.sequence = segment.sequence;
    question.acknowledgment = segment.acknowledgment;
    question.payload_len = segment.payload_len as u32;
    question.flags = segment.flags as u32;
    Answer(look(ctx.skb.skb))
}

/// Answers the [`QUESTION`]. A function of its own, so that the verifier does not follow it on and on with
/// each way that leads to it, and that its stack is its own.
#[inline(never)]
fn look(skb: *mut __sk_buff) -> u64 {
    let Some(question) = QUESTION.get_ptr_mut(0) else {
        return NOT_ASKED.0;
    };
    // SAFETY: as above.
    let question = unsafe { &mut *question };
    let Some(settings) = SETTINGS.get(question.seat) else {
        return NOT_ASKED.0;
    };
    answer(skb, settings, question).0
}

#[inline(always)]
fn answer(skb: *mut __sk_buff, settings: &Settings, question: &mut Question) -> Answer {
    if !question.load_addresses(skb) {
        return NOT_ASKED;
    }
    let (mut state, mut by_cookie) = (NONE, false);
    question.numbers.are_known = 0;
    if let Some(socket) = question.find(skb, question.destination_port) {
        state = socket.read(&mut question.numbers);
        by_cookie = state == LISTEN && socket.has_given_cookie(skb, question);
        socket.release();
    }
    if by_cookie {
        cookies::remember(question);
    } else if state == LISTEN && question.payload_len != 0 {
        by_cookie = cookies::is_behind(question);
    }
    // SAFETY: a field of the context, which the kernel's verifier knows. 0 is `PACKET_HOST`, and the
    // kernel's TCP takes nothing else.
    let for_another = unsafe { (*skb).pkt_type } != 0;
    if state == NONE || state == LISTEN || state == TIME_WAIT || state == CLOSE {
        let why = if for_another {
            Counter::NotForUs as u32
        } else {
            why_without_connection(question, state, by_cookie)
        };
        return if why == 0 {
            takes(without_connection(state), 0)
        } else if answered(settings, question) && !question.is_in_mesh(skb) {
            refuses(why)
        } else {
            NOT_ASKED
        };
    }
    if for_another {
        return refuses(Counter::NotForUs as u32);
    }
    judge(settings, question, state)
}

/// Why a segment is not taken where there is no connection; 0 if it may be.
#[inline(always)]
fn why_without_connection(segment: &Question, state: u32, by_cookie: bool) -> u32 {
    let has_data = segment.payload_len != 0;
    let flags = segment.flags as u8 & (flag::SYN | flag::ACK | flag::RST);
    if state == LISTEN {
        return if has_data && flags != flag::SYN && !by_cookie {
            Counter::Listen as u32
        } else {
            0
        };
    }
    // A reset ends what is no more, a SYN may follow upon what was closed, and a FIN come again.
    let begins = state != NONE && flags & flag::SYN != 0;
    let has_syn = flags & flag::SYN != 0;
    if (has_data || has_syn) && !begins {
        Counter::NoSocket as u32
    } else {
        0
    }
}

#[inline(always)]
const fn without_connection(state: u32) -> SocketState {
    if state == NONE {
        SocketState::NotAsked
    } else {
        SocketState::Listen
    }
}

/// Of a connection, or a handshake.
#[inline(always)]
fn judge(settings: &Settings, segment: &Question, state: u32) -> Answer {
    let numbers = &segment.numbers;
    let flags = segment.flags as u8;
    if flags & (flag::ACK | flag::SYN | flag::RST) == 0 {
        return refuses(Counter::Ack as u32);
    }
    if state == NEW_SYN_RECV {
        note_answer(settings, segment);
        return takes(SocketState::Request, 0);
    }
    if state == SYN_SENT {
        return NOT_ASKED;
    }
    if flags & flag::SYN != 0 {
        return if state == SYN_RECV {
            takes(SocketState::SynReceived, numbers.receive_next)
        } else {
            refuses(Counter::SynOnEstablished as u32)
        };
    }
    if numbers.are_known == 0 {
        return NOT_ASKED;
    }
    let ahead = segment.sequence.wrapping_sub(numbers.receive_next) as i32;
    if ahead > REACH || ahead < BEHIND {
        return refuses(Counter::Window as u32);
    }
    if flags & flag::ACK != 0 {
        let unsent = segment.acknowledgment.wrapping_sub(numbers.send_next) as i32;
        let again = numbers.unacknowledged.wrapping_sub(segment.acknowledgment) as i32;
        if unsent > OVERTAKEN || again > REACH {
            return refuses(Counter::Ack as u32);
        }
    }
    note_answer(settings, segment);
    let socket = match state {
        ESTABLISHED => SocketState::Established,
        SYN_RECV => SocketState::SynReceived,
        _ => SocketState::Closing,
    };
    takes(socket, numbers.receive_next)
}

/// Whether a connection of the port has been seen.
#[inline(always)]
fn answered(settings: &Settings, segment: &Question) -> bool {
    // SAFETY: a valid value of the map, which other CPUs may write: one word, before or after.
    flag_of(settings, segment).is_some_and(|answered| unsafe { answered.read_volatile() } != 0)
}

#[inline(always)]
fn note_answer(settings: &Settings, segment: &Question) {
    if let Some(answered) = flag_of(settings, segment) {
        // SAFETY: as above. It is read first, so that CPUs share the line.
        unsafe {
            if answered.read_volatile() == 0 {
                answered.write_volatile(1);
            }
        }
    }
}

#[inline(always)]
fn flag_of(settings: &Settings, segment: &Question) -> Option<*mut u32> {
    let port = segment.destination_port;
    let at = settings.ports.iter().position(|&other| other == port)?;
    ANSWERED.get_ptr_mut(segment.seat.wrapping_mul(MAX_PORTS as u32) + at as u32)
}

impl Question {
    /// Puts the segment's addresses into the tuple.
    #[inline(always)]
    fn load_addresses(&mut self, skb: *mut __sk_buff) -> bool {
        let to = self.tuple.as_mut_ptr().cast();
        let from = self.network_offset;
        // SAFETY: the addresses of either version have room.
        let failed = unsafe {
            if self.is_ipv6 == 0 {
                bpf_skb_load_bytes(skb.cast(), from + 12, to, 8)
            } else {
                bpf_skb_load_bytes(skb.cast(), from + 8, to, 32)
            }
        };
        failed == 0
    }

    /// What the kernel has for the tuple with this port, in the namespace of the interface.
    #[inline(always)]
    fn find(&mut self, skb: *mut __sk_buff, port: u16) -> Option<Socket> {
        let [a, b] = self.source_port.to_be_bytes();
        let [c, d] = port.to_be_bytes();
        let ports = u32::from_ne_bytes([a, b, c, d]);
        let tuple = self.tuple.as_mut_ptr().cast::<bpf_sock_tuple>();
        let skb = skb.cast();
        // SAFETY: the tuple is as long as is said.
        let socket = unsafe {
            if self.is_ipv6 == 0 {
                self.tuple[2] = ports;
                bpf_skc_lookup_tcp(skb, tuple, 12, CURRENT_NETNS, 0)
            } else {
                self.tuple[8] = ports;
                bpf_skc_lookup_tcp(skb, tuple, 36, CURRENT_NETNS, 0)
            }
        };
        (!socket.is_null()).then_some(Socket(socket))
    }

    /// Whether a mesh's proxy listens here, or has this connection.
    #[inline(always)]
    fn is_in_mesh(&mut self, skb: *mut __sk_buff) -> bool {
        let mut any = MESHES.into_iter();
        any.any(|port| self.find(skb, port).map(Socket::release).is_some())
    }
}
