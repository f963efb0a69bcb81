//! A socket of the kernel's, and what it says.

use aya_ebpf::{
    bindings::{__sk_buff, bpf_sock},
    helpers::generated::{
        bpf_sk_release, bpf_skb_load_bytes, bpf_tcp_check_syncookie, bpf_tcp_sock,
    },
};

use super::Question;

/// Sequence numbers of a connection (RFC 9293 section 3.3.1).
#[repr(C)]
pub(super) struct Numbers {
    pub(super) are_known: u32,
    pub(super) receive_next: u32,
    pub(super) send_next: u32,
    pub(super) unacknowledged: u32,
}

/// A socket, held until it is [released](Self::release), as it must be.
pub(super) struct Socket(pub(super) *mut bpf_sock);

impl Socket {
    /// Its state; and its numbers, if it is a whole socket.
    #[inline(always)]
    pub(super) fn read(&self, numbers: &mut Numbers) -> u32 {
        // SAFETY: the socket is held, and the kernel's verifier knows the fields of both.
        unsafe {
            let state = (*self.0).state;
            let tcp = bpf_tcp_sock(self.0);
            if !tcp.is_null() {
                *numbers = Numbers {
                    are_known: 1,
                    receive_next: (*tcp).rcv_nxt,
                    send_next: (*tcp).snd_nxt,
                    unacknowledged: (*tcp).snd_una,
                };
            }
            state
        }
    }

    /// Whether a listener takes this for the last ACK of a handshake under SYN cookies, or can't tell
    /// (before Linux 5.14, for IPv4 at a dual-stack listener).
    #[inline(always)]
    pub(super) fn has_given_cookie(&self, skb: *mut __sk_buff, segment: &mut Question) -> bool {
        /// `EINVAL`: no cookies are given here (`net.ipv4.tcp_syncookies` is 0), or it can't tell.
        const NO_ANSWER: i32 = -22;
        /// `AF_INET6`
        const INET6: u32 = 10;
        let [s0, s1] = segment.source_port.to_be_bytes();
        let [d0, d1] = segment.destination_port.to_be_bytes();
        segment.tcp = [
            u32::from_ne_bytes([s0, s1, d0, d1]),
            segment.sequence.to_be(),
            segment.acknowledgment.to_be(),
            u32::from_ne_bytes([0x50, segment.flags as u8, 0, 0]),
            0,
        ];
        let to = segment.ip.as_mut_ptr().cast::<core::ffi::c_void>();
        let from = segment.network_offset;
        let (skb, tcp) = (skb.cast(), segment.tcp.as_mut_ptr().cast());
        // SAFETY: the socket is held, and both headers are as long as is said.
        unsafe {
            let listener = self.0.cast();
            let verdict = if segment.is_ipv6 == 0 {
                if bpf_skb_load_bytes(skb, from, to, 20) != 0 {
                    return false;
                }
                bpf_tcp_check_syncookie(listener, to, 20, tcp, 20) as i32
            } else {
                if bpf_skb_load_bytes(skb, from, to, 40) != 0 {
                    return false;
                }
                bpf_tcp_check_syncookie(listener, to, 40, tcp, 20) as i32
            };
            if verdict != NO_ANSWER || segment.is_ipv6 != 0 || (*self.0).family != INET6 {
                return verdict == 0;
            }
            // It could tell of IPv6, if cookies are given at all.
            let [first, ..] = &mut segment.ip;
            *first = u32::from_ne_bytes([0x60, 0, 0, 0]);
            bpf_tcp_check_syncookie(listener, to, 40, tcp, 20) as i32 != NO_ANSWER
        }
    }

    #[inline(always)]
    pub(super) fn release(self) {
        // SAFETY: it is held, and no more after this.
        unsafe { bpf_sk_release(self.0.cast()) };
    }
}
