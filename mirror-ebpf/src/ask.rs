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

use core::mem::MaybeUninit;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{bpf_sock, bpf_sock_tuple},
    btf_maps::Array,
    helpers::generated::{
        bpf_sk_release, bpf_skb_load_bytes, bpf_skc_lookup_tcp, bpf_tcp_check_syncookie,
        bpf_tcp_sock,
    },
    macros::btf_map,
    programs::TcContext,
};
use mirror_common::{
    counter::Counter,
    packet::{Network, TcpSegment},
    record::{MAX_SEGMENT, SocketState, flag},
    settings::{MAX_PORTS, Settings},
};

/// Not 0 once a connection of the port at the same place in [`Settings::ports`] has been seen.
#[btf_map]
static ANSWERED: Array<u32, MAX_PORTS> = Array::new();

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

/// What the kernel says.
pub enum Answer {
    /// It may take the segment.
    Takes {
        /// What it has for it.
        socket: SocketState,
        /// The sequence number that it waits for, if the state has one.
        expected: u32,
    },
    /// It does not take it.
    Refuses(Counter),
}

/// It has no answer.
pub const NOT_ASKED: Answer = Answer::Takes {
    socket: SocketState::NotAsked,
    expected: 0,
};

/// Asks for the socket of a segment that came to this interface.
#[inline(always)]
pub fn ask(ctx: &TcContext, settings: &Settings, segment: &TcpSegment) -> Answer {
    // SAFETY: a field of the context, which the kernel's verifier knows. 0 is `PACKET_HOST`, and the
    // kernel's TCP takes nothing else.
    let for_another = unsafe { (*ctx.skb.skb).pkt_type } != 0;
    let answer = match Socket::find(ctx, segment, segment.destination_port) {
        // A reset ends what is no more.
        None if taken(segment) => Answer::Refuses(Counter::NoSocket),
        None => NOT_ASKED,
        Some(socket) => {
            let (state, numbers) = socket.read();
            let by_cookie = state == LISTEN && socket.has_given_cookie(ctx, segment);
            socket.release();
            judge(settings, segment, state, numbers, by_cookie)
        }
    };
    let without_connection = match &answer {
        Answer::Refuses(Counter::NoSocket | Counter::Listen) => true,
        Answer::Refuses(_) => false,
        Answer::Takes { socket, .. } => {
            matches!(socket, SocketState::NotAsked | SocketState::Listen)
        }
    };
    if !without_connection {
        return if for_another {
            Answer::Refuses(Counter::NotForUs)
        } else {
            answer
        };
    }
    if !for_another && matches!(answer, Answer::Takes { .. }) {
        return answer;
    }
    if !answered(settings, segment.destination_port) || is_in_mesh(ctx, segment) {
        return NOT_ASKED;
    }
    if for_another {
        Answer::Refuses(Counter::NotForUs)
    } else {
        answer
    }
}

/// Whether a mesh's proxy listens here, or has this connection.
#[inline(always)]
fn is_in_mesh(ctx: &TcContext, segment: &TcpSegment) -> bool {
    MESHES.into_iter().any(|port| {
        let found = Socket::find(ctx, segment, port);
        found.map(Socket::release).is_some()
    })
}

/// Whether a connection would take something from it, or begin with it.
#[inline(always)]
fn taken(segment: &TcpSegment) -> bool {
    segment.payload_len != 0 || segment.flags & flag::SYN != 0
}

#[inline(always)]
fn judge(
    settings: &Settings,
    segment: &TcpSegment,
    state: u32,
    numbers: Numbers,
    by_cookie: bool,
) -> Answer {
    let flags = segment.flags;
    let takes = |socket| Answer::Takes {
        socket,
        expected: numbers.receive_next,
    };
    if state == LISTEN {
        let without_data = segment.payload_len == 0;
        let begins = flags & (flag::SYN | flag::ACK | flag::RST) == flag::SYN;
        return if without_data || begins || by_cookie {
            takes(SocketState::Listen)
        } else {
            Answer::Refuses(Counter::Listen)
        };
    }
    if state == TIME_WAIT || state == CLOSE {
        // A SYN may begin the next connection, and a FIN come again.
        return if segment.payload_len != 0 && flags & flag::SYN == 0 {
            Answer::Refuses(Counter::NoSocket)
        } else {
            takes(SocketState::Listen)
        };
    }
    if flags & (flag::ACK | flag::SYN | flag::RST) == 0 {
        return Answer::Refuses(Counter::Ack);
    }
    if state == NEW_SYN_RECV {
        note_answer(settings, segment.destination_port);
        return takes(SocketState::Request);
    }
    if state == SYN_SENT {
        return NOT_ASKED;
    }
    if flags & flag::SYN != 0 {
        return if state == SYN_RECV {
            takes(SocketState::SynReceived)
        } else {
            Answer::Refuses(Counter::SynOnEstablished)
        };
    }
    if !numbers.known {
        return NOT_ASKED;
    }
    let ahead = segment.sequence.wrapping_sub(numbers.receive_next) as i32;
    if ahead > REACH || ahead < BEHIND {
        return Answer::Refuses(Counter::Window);
    }
    if flags & flag::ACK != 0 {
        let unsent = segment.acknowledgment.wrapping_sub(numbers.send_next) as i32;
        let again = numbers.unacknowledged.wrapping_sub(segment.acknowledgment) as i32;
        if unsent > OVERTAKEN || again > REACH {
            return Answer::Refuses(Counter::Ack);
        }
    }
    note_answer(settings, segment.destination_port);
    takes(match state {
        ESTABLISHED => SocketState::Established,
        SYN_RECV => SocketState::SynReceived,
        _ => SocketState::Closing,
    })
}

/// Whether a connection of the port has been seen.
#[inline(always)]
fn answered(settings: &Settings, port: u16) -> bool {
    // SAFETY: a valid value of the map, which other CPUs may write: one word, before or after.
    flag_of(settings, port).is_some_and(|answered| unsafe { answered.read_volatile() } != 0)
}

#[inline(always)]
fn note_answer(settings: &Settings, port: u16) {
    if let Some(answered) = flag_of(settings, port) {
        // SAFETY: as above. It is read first, so that CPUs share the line.
        unsafe {
            if answered.read_volatile() == 0 {
                answered.write_volatile(1);
            }
        }
    }
}

#[inline(always)]
fn flag_of(settings: &Settings, port: u16) -> Option<*mut u32> {
    let at = settings.ports.iter().position(|&other| other == port)?;
    ANSWERED.get_ptr_mut(at as u32)
}

/// Sequence numbers of a connection (RFC 9293 section 3.3.1).
#[derive(Clone, Copy)]
struct Numbers {
    known: bool,
    receive_next: u32,
    send_next: u32,
    unacknowledged: u32,
}

/// A socket, held until it is [released](Self::release), as it must be.
struct Socket(*mut bpf_sock);

impl Socket {
    #[inline(always)]
    fn find(ctx: &TcContext, segment: &TcpSegment, port: u16) -> Option<Self> {
        let mut tuple = MaybeUninit::<[u32; 9]>::uninit();
        let to = tuple.as_mut_ptr().cast::<u8>();
        let from = segment.network_offset as u32;
        let [a, b] = segment.source_port.to_be_bytes();
        let [c, d] = port.to_be_bytes();
        let ports = u32::from_ne_bytes([a, b, c, d]);
        let skb = ctx.as_ptr();
        // SAFETY: the tuple has room for two addresses and the two ports behind them, and the helpers
        // are given the lengths that are written.
        let socket = unsafe {
            match segment.network {
                Network::V4 => {
                    if bpf_skb_load_bytes(skb, from + 12, to.cast(), 8) != 0 {
                        return None;
                    }
                    to.add(8).cast::<u32>().write(ports);
                    bpf_skc_lookup_tcp(skb, to.cast::<bpf_sock_tuple>(), 12, CURRENT_NETNS, 0)
                }
                Network::V6 => {
                    if bpf_skb_load_bytes(skb, from + 8, to.cast(), 32) != 0 {
                        return None;
                    }
                    to.add(32).cast::<u32>().write(ports);
                    bpf_skc_lookup_tcp(skb, to.cast::<bpf_sock_tuple>(), 36, CURRENT_NETNS, 0)
                }
            }
        };
        (!socket.is_null()).then_some(Self(socket))
    }

    /// Its state, and its numbers if it is a whole socket.
    #[inline(always)]
    fn read(&self) -> (u32, Numbers) {
        // SAFETY: the socket is held, and the kernel's verifier knows the fields of both.
        unsafe {
            let state = (*self.0).state;
            let tcp = bpf_tcp_sock(self.0);
            let numbers = if tcp.is_null() {
                Numbers {
                    known: false,
                    receive_next: 0,
                    send_next: 0,
                    unacknowledged: 0,
                }
            } else {
                Numbers {
                    known: true,
                    receive_next: (*tcp).rcv_nxt,
                    send_next: (*tcp).snd_nxt,
                    unacknowledged: (*tcp).snd_una,
                }
            };
            (state, numbers)
        }
    }

    /// Whether a listener takes this for the last ACK of a handshake under SYN cookies, or can't tell
    /// (before Linux 5.14, for IPv4 at a dual-stack listener).
    #[inline(always)]
    fn has_given_cookie(&self, ctx: &TcContext, segment: &TcpSegment) -> bool {
        /// `ENOENT`: no cookie of ours, or none given lately.
        const NO_COOKIE: i64 = -2;
        let [s0, s1] = segment.source_port.to_be_bytes();
        let [d0, d1] = segment.destination_port.to_be_bytes();
        // A TCP header without options, of which the kernel reads this much.
        let mut header = [
            u32::from_ne_bytes([s0, s1, d0, d1]),
            segment.sequence.to_be(),
            segment.acknowledgment.to_be(),
            u32::from_ne_bytes([0x50, segment.flags, 0, 0]),
            0,
        ];
        let mut ip = MaybeUninit::<[u32; 10]>::uninit();
        let to = ip.as_mut_ptr().cast::<core::ffi::c_void>();
        let from = segment.network_offset as u32;
        let (skb, tcp) = (ctx.as_ptr(), header.as_mut_ptr().cast());
        // SAFETY: the socket is held, and both headers are as long as is said.
        unsafe {
            let verdict = match segment.network {
                Network::V4 => {
                    if bpf_skb_load_bytes(skb, from, to, 20) != 0 {
                        return false;
                    }
                    bpf_tcp_check_syncookie(self.0.cast(), to, 20, tcp, 20)
                }
                Network::V6 => {
                    if bpf_skb_load_bytes(skb, from, to, 40) != 0 {
                        return false;
                    }
                    bpf_tcp_check_syncookie(self.0.cast(), to, 40, tcp, 20)
                }
            };
            verdict as i32 as i64 != NO_COOKIE
        }
    }

    #[inline(always)]
    fn release(self) {
        // SAFETY: it is held, and no more after this.
        unsafe { bpf_sk_release(self.0.cast()) };
    }
}
