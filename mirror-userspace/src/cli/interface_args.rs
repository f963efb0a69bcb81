//! The flags that say which interface is listened to.

use clap::Args;

use crate::capture::Netns;

/// Where requests arrive.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Capture")]
pub struct InterfaceArgs {
    /// Interface that the service's requests arrive at
    #[arg(long, value_name = "IF")]
    pub interface: String,

    /// Network namespace of the interface: a name in /run/netns, a path, or a process ID
    #[arg(long, value_name = "NAME|PATH|PID")]
    pub netns: Option<Netns>,
}
