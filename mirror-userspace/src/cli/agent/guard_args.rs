//! Where documents may not have copies sent.

use clap::Args;
use mirror_dispatch::{Guard, Network};
use mirror_kubernetes::cluster::Node;

use crate::agent::NodeAddresses;

/// What is refused to the targets of documents.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Targets")]
pub(super) struct GuardArgs {
    /// Networks that the targets of documents may not be in, besides loopback, link-local and multicast
    /// addresses and this node's own; --target may. Separated by commas or given again
    #[arg(
        long = "deny-target",
        value_name = "CIDR",
        value_delimiter = ',',
        num_args = 1
    )]
    denied: Vec<Network>,
}

impl GuardArgs {
    /// For copies that leave from this node.
    pub(super) fn guard(&self, node: Node) -> Guard {
        Guard::new(NodeAddresses::of(node), self.denied.clone())
    }
}
