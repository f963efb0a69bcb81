//! The flags that say where copies go.

use clap::Args;

use crate::target::TargetSpec;

/// Where copies go, in the order in which targets are numbered.
#[derive(Args, Clone, Debug)]
pub struct TargetArgs {
    /// Sends copies to this URL; may be given several times.
    ///
    /// http or https, a name or an address (IPv6 in brackets), and maybe a port; a copy keeps the
    /// path of its request. sample=RATE and host=HOST take the place of --sample-rate and of
    /// --set-host or --host-suffix for this target.
    #[arg(
        long = "target",
        value_name = "URL[,sample=RATE][,host=HOST]",
        help_heading = "Targets"
    )]
    pub targets: Vec<TargetSpec>,
}
