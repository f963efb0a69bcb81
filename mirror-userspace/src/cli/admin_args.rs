//! The flags of the admin server.

use std::str::FromStr;

use clap::Args;

use crate::admin::{Admin, AdminConfig, Listen, Questions, TuneFrom};

/// Probes, metrics and tuning over HTTP.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Admin server")]
pub struct AdminArgs {
    /// Serve /healthz, /readyz, /metrics and /sample-rate here: ADDRESS:PORT, :PORT for all
    /// addresses, or off
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub admin_address: Option<AdminAddress>,

    /// Let everyone who can connect change the sample rate; else it takes a client at 127.0.0.1 or
    /// ::1, as `podmirror set`, kubectl exec and kubectl port-forward are
    #[arg(long)]
    pub admin_allow_remote_tuning: bool,
}

/// See [`Listen`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminAddress {
    /// Nowhere.
    Off,
    /// There.
    On(Listen),
}

impl FromStr for AdminAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            address => address
                .parse()
                .map(Self::On)
                .map_err(|accepted: String| accepted + "; or off"),
        }
    }
}

impl AdminArgs {
    /// Starts the server, if there is to be one; `default` stands in for a flag that is not given.
    ///
    /// # Errors
    /// The address can't be listened at.
    pub async fn start(&self, default: AdminAddress) -> anyhow::Result<(Option<Admin>, Questions)> {
        let AdminAddress::On(listen) = self.admin_address.unwrap_or(default) else {
            return Ok((None, Questions::none()));
        };
        let tuning = if self.admin_allow_remote_tuning {
            TuneFrom::Anywhere
        } else {
            TuneFrom::Loopback
        };
        let (admin, questions) = Admin::start(AdminConfig { listen, tuning }).await?;
        log::info!("admin server at http://{}", admin.address());
        Ok((Some(admin), questions))
    }
}
