//! The flags that say where requests arrive.

use clap::{Args, ValueEnum};
use mirror_capture::{Hook, Netns, OpenNetns, Place};
use mirror_common::settings::MAX_PORTS;

use super::UsageError;

/// Where requests arrive.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Capture")]
pub struct PlaceArgs {
    /// Interface that the service's requests arrive at
    #[arg(long, value_name = "IF")]
    pub interface: String,

    /// Network namespace of the interface: a name in /run/netns, a path, or a process ID
    #[arg(long, value_name = "NAME|PATH|PID")]
    pub netns: Option<Netns>,

    /// The hook: ingress of the pod's own interface, or egress of its peer on the host
    #[arg(long, value_name = "HOOK", default_value = "ingress")]
    pub attach: HookArg,

    /// Its ports.
    #[command(flatten)]
    pub ports: PortArgs,
}

/// The ports that requests go to.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Capture")]
pub struct PortArgs {
    /// Port of the running service; up to 16, separated by commas or given again
    #[arg(long = "port", value_name = "N", required = true, value_delimiter = ',', num_args = 1,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub ports: Vec<u16>,
}

/// See [`Hook`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HookArg {
    /// What the interface receives: `eth0` or `lo` inside the pod
    Ingress,
    /// What the interface sends: the host's end of the pod's veth pair
    Egress,
}

impl From<HookArg> for Hook {
    fn from(hook: HookArg) -> Self {
        match hook {
            HookArg::Ingress => Self::Ingress,
            HookArg::Egress => Self::Egress,
        }
    }
}

impl PortArgs {
    /// The ports, each once.
    ///
    /// # Errors
    /// A [`UsageError`]: more than [`MAX_PORTS`] of them.
    pub fn ports(&self) -> Result<Vec<u16>, UsageError> {
        let mut ports = self.ports.clone();
        ports.sort_unstable();
        ports.dedup();
        if ports.len() > MAX_PORTS {
            let given = ports.len();
            return Err(UsageError(format!(
                "--port: {given} given; accepted: at most {MAX_PORTS}"
            )));
        }
        Ok(ports)
    }
}

impl PlaceArgs {
    /// The place, its namespace opened.
    ///
    /// # Errors
    /// A [`UsageError`] for too many ports, or a namespace that can't be opened.
    pub fn place(&self) -> anyhow::Result<Place> {
        let ports = self.ports.ports()?;
        let netns = match &self.netns {
            Some(netns) => netns.open()?,
            None => OpenNetns::current()?,
        };
        Ok(Place {
            hook: self.attach.into(),
            ..Place::new(netns, self.interface.as_str(), ports)
        })
    }

    /// For people: `eth0 port 80, 8080`.
    pub(super) fn describe(&self) -> Result<String, UsageError> {
        let ports: Vec<String> = self.ports.ports()?.iter().map(u16::to_string).collect();
        Ok(format!("{} port {}", self.interface, ports.join(", ")))
    }
}
