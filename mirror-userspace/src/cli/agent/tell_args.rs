//! How people are told in the cluster what became of their documents.

use clap::{Args, ValueEnum};
use mirror_kubernetes::cluster::{Client, TellConfig};

/// Who tells.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Cluster")]
pub(super) struct TellArgs {
    /// With --watch-config or --watch-namespace: whether one agent, elected by a Lease, writes the status of
    /// TrafficMirrors and Events on documents. Mirroring does not need the rights for that
    #[arg(long, value_name = "on|off", default_value = "on")]
    cluster_status: OnOff,

    /// Name of that Lease, in the agent's namespace; agents with other flags need another one
    #[arg(long, value_name = "NAME", default_value = "podmirror",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    lease_name: String,

    /// Name of the agent's pod, from the downward API: with the pod goes what it noted
    #[arg(long, value_name = "NAME", env = "POD_NAME", hide = true)]
    pod_name: Option<String>,

    /// Its UID
    #[arg(long, value_name = "UID", env = "POD_UID", hide = true)]
    pod_uid: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnOff {
    On,
    Off,
}

impl TellArgs {
    /// `None` if it is switched off.
    pub(super) fn config(&self, client: &Client, node: &str) -> Option<TellConfig> {
        (self.cluster_status == OnOff::On).then(|| TellConfig {
            client: client.clone(),
            node: node.to_owned(),
            pod: self.pod_name.clone().zip(self.pod_uid.clone()),
            lease: self.lease_name.clone(),
        })
    }
}
