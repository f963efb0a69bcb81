//! What tests have instead of a network card: frames of a test run go to an interface, as a driver's
//! would come from one. No part of podmirror.

#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::xdp_action::XDP_ABORTED,
    btf_maps::Array,
    helpers::bpf_redirect,
    macros::{btf_map, xdp},
    programs::XdpContext,
};
// For its panic handler.
use mirror_ebpf as _;

/// The number of the interface that frames go out of.
#[btf_map]
static INTERFACE: Array<u32, 1> = Array::new();

/// The entry point.
#[xdp]
fn wire(_ctx: XdpContext) -> u32 {
    match INTERFACE.get(0) {
        // SAFETY: the helper takes two numbers, and refuses an interface that is not there.
        Some(interface) => unsafe { bpf_redirect(*interface, 0) as u32 },
        None => XDP_ABORTED,
    }
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
