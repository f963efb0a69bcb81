//! What `run` would do, tried out: the programs loaded, the rings made, one program attached.
//!
//! It is attached to a device of its own in a network namespace of its own, so that no frame of
//! this machine is looked at. All that is made goes before this returns.

use anyhow::{Context as _, Result};
use mirror_core::policy::KernelSampling;

use super::{Finding, Question, Verdict};
use crate::live::{
    attached::try_program,
    config::{LiveConfig, Place},
    locked_memory,
    netlink::Interface,
    netns::OpenNetns,
    object::RingKind,
    running::Capture,
};

/// The device that is attached to.
const DEVICE: &str = "podmirror0";

/// Tries all of it, as far as it comes.
pub(super) fn try_out(question: &Question) -> Vec<Finding> {
    let config = &question.live;
    locked_memory::raise(config.ring);
    let mut findings = [RingKind::Bpf, RingKind::Perf]
        .map(|ring| program(ring, config.ring))
        .to_vec();
    match Capture::open(config.clone(), KernelSampling::default()) {
        Ok((capture, readers)) => {
            findings.push(Finding::good(
                "rings",
                format!(
                    "`run` will use the {} ring: {}",
                    config.ring,
                    size_of(config)
                ),
            ));
            findings.push(attach(capture, question));
            drop(readers);
        }
        Err(error) => findings.push(Finding::bad(
            "rings",
            Verdict::Missing,
            format!(
                "`run` would use the {} ring: {}",
                config.ring,
                size_of(config)
            ),
            format!("{error:#}"),
        )),
    }
    findings
}

fn size_of(config: &LiveConfig) -> String {
    let LiveConfig {
        ring_bytes, shards, ..
    } = config;
    match config.ring {
        RingKind::Bpf => format!("{shards} of {ring_bytes} bytes"),
        RingKind::Perf => format!("{ring_bytes} bytes over all CPUs"),
    }
}

/// What the verifier says of the program for one kind of ring. The one that `run` will not use may
/// well be refused.
fn program(ring: RingKind, used: RingKind) -> Finding {
    let name = match ring {
        RingKind::Bpf => "kernel program, BPF ring",
        RingKind::Perf => "kernel program, perf ring",
    };
    match try_program(ring) {
        Ok(()) => Finding::good(name, "loaded"),
        Err(error) => {
            let verdict = if ring == used {
                Verdict::Missing
            } else {
                Verdict::Lesser
            };
            Finding::bad(name, verdict, "not loaded", format!("{error:#}"))
        }
    }
}

fn attach(mut capture: Capture, question: &Question) -> Finding {
    let name = "attachment";
    let netns = match OpenNetns::new() {
        Ok(netns) => netns,
        Err(error) => {
            return Finding::bad(
                name,
                Verdict::Lesser,
                format!("not tried: no network namespace to try it in ({error:#})"),
                "needs CAP_SYS_ADMIN to be tried; `run` needs that for --netns only",
            );
        }
    };
    match attach_in(netns, &mut capture, question) {
        Ok(what) => Finding::good(name, what),
        Err(error) => Finding::bad(name, Verdict::Missing, "refused", format!("{error:#}")),
    }
}

fn attach_in(netns: OpenNetns, capture: &mut Capture, question: &Question) -> Result<String> {
    let (device, what) = match netns.run(|| Ok(Interface::add_dummy(DEVICE)?)) {
        Ok(()) => (DEVICE, "a dummy device".to_owned()),
        Err(error) => ("lo", format!("lo (no dummy device: {error})")),
    };
    let place = Place {
        hook: question.hook,
        tap: question.tap,
        decap: question.decap,
        ..Place::new(netns, device, vec![1])
    };
    let id = capture.attach(place)?;
    let method = if question.tap.is_some() {
        "XDP"
    } else if capture.is_tcx(id) {
        "tcx"
    } else {
        "a clsact filter"
    };
    capture.detach(id).context("detaching again")?;
    let hook = question.hook;
    Ok(format!(
        "to {hook} of {what} by {method}, in a network namespace of its own"
    ))
}
