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
    #[arg(long, env = "PODMIRROR_READINESS_GATE")]
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

#[cfg(test)]
mod tests {
    use std::{env, path::Path, process::Command};

    use clap::Parser;

    use crate::cli::agent::AgentArgs;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        agent: AgentArgs,
    }

    /// What the components set, so that whoever replaces all flags does not lose it.
    const SET: [(&str, &str, &str); 2] = [
        (
            "PODMIRROR_HAND_OVER",
            "/run/podmirror/hand-over.sock",
            include_str!("../../../../deploy/components/hand-over/update.yaml"),
        ),
        (
            "PODMIRROR_READINESS_GATE",
            "true",
            include_str!("../../../../deploy/components/readiness-gate/env.yaml"),
        ),
    ];

    #[test]
    fn the_agent_reads_what_components_set_in_its_environment() {
        let [(first, door, _), _] = SET;
        if env::var_os(first).is_some() {
            let flags = ["agent", "--node-name=any", "--gate-patience=5s"];
            let Flags { agent } = Flags::try_parse_from(flags).unwrap();
            assert_eq!(agent.cluster.hand_over.as_deref(), Some(Path::new(door)));
            assert!(agent.gate.config().is_some());
            return;
        }
        // This program again, in that environment.
        let name = "the_agent_reads_what_components_set_in_its_environment";
        let mut again = Command::new(env::current_exe().unwrap());
        again.arg(name);
        for (name, value, component) in SET {
            let (_, set) = component
                .split_once(&format!("    name: {name}\n    value: "))
                .unwrap();
            assert_eq!(set.trim().trim_matches('"'), value);
            again.env(name, value);
        }
        let ended = again.output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(said.contains("1 passed"), "{said}");
    }
}
