//! The flags that say where copies go.

use clap::Args;
use mirror_core::destination::TargetSpec;

use super::UsageError;

/// Where copies go, in the order in which targets are numbered.
#[derive(Args, Clone, Debug)]
pub struct TargetArgs {
    /// Sends copies to this target; may be given several times.
    ///
    /// TARGET is a URL: http or https, a name or an address (IPv6 in brackets), and optionally a port;
    /// a copy keeps the path of its request. For `podmirror agent` it may also be
    /// service/NAMESPACE/NAME:PORT or pods/NAMESPACE/LABEL-SELECTOR:PORT. For this target, sample=RATE
    /// replaces --sample-rate, and host=HOST replaces --set-host or --host-suffix. A target with
    /// role=baseline and one with role=candidate are compared.
    #[arg(
        long = "target",
        value_name = "TARGET[,sample=RATE][,host=HOST][,role=ROLE]",
        help_heading = "Targets"
    )]
    pub targets: Vec<TargetSpec>,
}

impl TargetArgs {
    /// The targets, for who has no cluster to ask for addresses.
    ///
    /// # Errors
    /// A [`UsageError`] if one of them is a service or pods.
    pub fn outside_clusters(&self) -> anyhow::Result<Vec<TargetSpec>> {
        for target in &self.targets {
            if target.destination.url().is_none() {
                return Err(UsageError(format!(
                    "--target {target}: only `podmirror agent` knows the services and pods of a \
                     cluster; accepted: a URL"
                ))
                .into());
            }
        }
        Ok(self.targets.clone())
    }
}
