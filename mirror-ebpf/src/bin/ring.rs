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

/// The rings, by shard.
#[btf_map]
static RINGS: ShardRings = ShardRings::new();

/// Not 0 while the shard's reader sleeps, or is about to.
#[btf_map]
static SLEEPING: Sleeping = Sleeping::new();

/// The entry point, for ingress and egress hooks alike.
#[classifier]
fn mirror(ctx: TcContext) -> i32 {
    let rings = Rings {
        rings: &RINGS,
        sleeping: &SLEEPING,
    };
    mirror_frame(&ctx, &rings);
    TC_ACT_UNSPEC
}

/// The entry point where segments come in tunnels, which are taken off.
#[classifier]
fn decap(ctx: TcContext) -> i32 {
    let rings = Rings {
        rings: &RINGS,
        sleeping: &SLEEPING,
    };
    mirror_frame(&Tunnelled(ctx), &rings);
    TC_ACT_UNSPEC
}

/// The entry point at the other hook of the same place, for what v1 says and acknowledges.
#[classifier]
fn replies(ctx: TcContext) -> i32 {
    let rings = Rings {
        rings: &RINGS,
        sleeping: &SLEEPING,
    };
    mirror_reply(&ctx, &rings);
    TC_ACT_UNSPEC
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
