//! The object for ports that receive nothing but copies (Linux 5.18 and later): before there is a
//! socket buffer, one ring a shard.

#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::xdp_action::{XDP_DROP, XDP_PASS},
    btf_maps::Array,
    macros::{btf_map, xdp},
    programs::XdpContext,
};
use mirror_common::settings::TapSettings;
use mirror_ebpf::{
    mirror::mirror_frame,
    rings::{Rings, ShardRings, Sleeping},
    xdp::TapFrame,
};

/// The rings, by shard.
#[btf_map]
static RINGS: ShardRings = ShardRings::new();

/// Not 0 while the shard's reader sleeps, or is about to.
#[btf_map]
static SLEEPING: Sleeping = Sleeping::new();

/// The daemon writes it once, before the program sees a frame.
#[btf_map]
static TAP: Array<TapSettings, 1> = Array::new();

/// The entry point.
#[xdp(frags)]
fn mirror(ctx: XdpContext) -> u32 {
    let Some(tap) = TAP.get(0) else {
        return XDP_PASS;
    };
    let frame = TapFrame::new(&ctx, tap);
    let rings = Rings {
        rings: &RINGS,
        sleeping: &SLEEPING,
    };
    mirror_frame(&frame, &rings);
    if tap.pass == 0 && frame.is_copy() {
        XDP_DROP
    } else {
        XDP_PASS
    }
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
