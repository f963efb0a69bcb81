//! What tests have instead of a network's own programs: a program for each verdict that one gives of
//! TCP over IPv4. No part of podmirror.

#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::{TC_ACT_OK, TC_ACT_SHOT, TC_ACT_UNSPEC},
    btf_maps::PerCpuArray,
    helpers::bpf_redirect,
    macros::{btf_map, classifier},
    programs::TcContext,
};
// For its panic handler.
use mirror_ebpf as _;

/// The loopback interface, in every namespace.
const LOOPBACK: u32 = 1;
/// Behind an Ethernet header: the protocol in one of IPv4.
const PROTOCOL: usize = 14 + 9;
const TCP: u8 = 6;

/// How many segments came by.
#[btf_map]
static SEEN: PerCpuArray<u64, 1> = PerCpuArray::new();

/// Counts a segment; whatever else it is goes on.
#[inline(always)]
fn is_segment(ctx: &TcContext) -> bool {
    const IPV4: u32 = 0x0800u16.to_be() as u32;
    let is_ipv4 = ctx.skb.protocol() == IPV4;
    let is_segment = is_ipv4 && ctx.load::<u8>(PROTOCOL) == Ok(TCP);
    if is_segment && let Some(seen) = SEEN.get_ptr_mut(0) {
        // SAFETY: the slot of the CPU that the program runs to its end on.
        unsafe { *seen += 1 };
    }
    is_segment
}

/// Leaves it to the next program.
#[classifier]
fn next(ctx: TcContext) -> i32 {
    is_segment(&ctx);
    TC_ACT_UNSPEC
}

/// Hands it to the pod: no other program is asked.
#[classifier]
fn ok(ctx: TcContext) -> i32 {
    if is_segment(&ctx) {
        TC_ACT_OK as i32
    } else {
        TC_ACT_UNSPEC
    }
}

/// Drops it.
#[classifier]
fn drop(ctx: TcContext) -> i32 {
    if is_segment(&ctx) {
        TC_ACT_SHOT as i32
    } else {
        TC_ACT_UNSPEC
    }
}

/// Sends it elsewhere.
#[classifier]
fn redirect(ctx: TcContext) -> i32 {
    if is_segment(&ctx) {
        // SAFETY: the helper takes two numbers, and refuses an interface that is not there.
        unsafe { bpf_redirect(LOOPBACK, 0) as i32 }
    } else {
        TC_ACT_UNSPEC
    }
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
