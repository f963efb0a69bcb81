//! The kernel program in the kernel: crafted frames through `BPF_PROG_TEST_RUN`, and large ones
//! over a loopback of their own.
//!
//! Needs root, and the objects of `cargo xtask build-ebpf`.

#[cfg(test)]
mod asked;
#[cfg(test)]
mod bed;
#[cfg(test)]
mod cookies;
#[cfg(test)]
mod copies;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod decap;
#[cfg(test)]
#[path = "../../../mirror-common/tests/walk/frame.rs"]
mod frame;
#[cfg(test)]
mod large;
#[cfg(test)]
mod never;
#[cfg(test)]
mod oldest;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod port;
#[cfg(test)]
mod replies;
#[cfg(test)]
mod seats;
#[cfg(test)]
mod sizes;
#[cfg(test)]
mod taps;
#[cfg(test)]
#[path = "../../../mirror-common/tests/walk/tunnel.rs"]
mod tunnel;
