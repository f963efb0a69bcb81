//! The object for kernels with BPF ring buffers (Linux 5.10 and later): one ring a shard.

#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::TC_ACT_UNSPEC,
    macros::{btf_map, classifier},
    programs::TcContext,
};
use mirror_ebpf::{
    inside::Tunnelled,
    mirror::{mirror_frame, mirror_reply},
    rings::{Rings, ShardRings, Sleeping},
};

/// The rings.
#[btf_map]
static RINGS: ShardRings = ShardRings::new();

/// Whose readers sleep.
#[btf_map]
static SLEEPING: Sleeping = Sleeping::new();

/// What segments to v1 come to from the entry points, at ingress and egress hooks alike.
#[classifier]
fn mirror(ctx: TcContext) -> i32 {
    let rings = Rings {
        rings: &RINGS,
        sleeping: &SLEEPING,
    };
    mirror_frame(&ctx, &rings);
    TC_ACT_UNSPEC
}

/// The same where segments come in tunnels, which are taken off.
#[classifier]
fn decap(ctx: TcContext) -> i32 {
    let rings = Rings {
        rings: &RINGS,
        sleeping: &SLEEPING,
    };
    mirror_frame(&Tunnelled(ctx), &rings);
    TC_ACT_UNSPEC
}

/// The same at the other hook of a place, for what v1 says and acknowledges.
#[classifier]
fn replies(ctx: TcContext) -> i32 {
    let rings = Rings {
        rings: &RINGS,
        sleeping: &SLEEPING,
    };
    mirror_reply(&ctx, &rings);
    TC_ACT_UNSPEC
}

mirror_ebpf::entry_points!();

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
