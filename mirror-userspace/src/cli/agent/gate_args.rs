//! Readiness gates that wait for the attachment.

use std::time::Duration;

use clap::Args;
use mirror_kubernetes::cluster::GateConfig;

use super::super::value::duration;

/// Whether pods can wait until they are mirrored.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Pods")]
pub(super) struct GateArgs {
    /// Open the readiness gate podmirror.io/attached of pods that have one in their spec, once they are attached to or
    /// nothing is to be attached. Takes the right to patch the status of pods
    #[arg(long)]
    readiness_gate: bool,

    /// Open it as well for a pod that has run for so long and could not be attached to
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, requires = "readiness_gate")]
    gate_patience: Duration,
}

impl GateArgs {
    /// `None` if gates are left alone.
    pub(super) fn config(&self) -> Option<GateConfig> {
        self.readiness_gate.then_some(GateConfig {
            patience: self.gate_patience,
        })
    }
}
