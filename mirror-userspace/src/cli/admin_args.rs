//! The flags of the admin server.

use std::{convert::Infallible, future::pending, path::PathBuf, str::FromStr, time::Duration};

use clap::Args;
use mirror_core::{lost::KeepLost, value::BadValue};
use tokio::{task::JoinHandle, time::sleep};

use super::{UsageError, value::size};
use crate::admin::{Admin, AdminConfig, IstioNames, Listen, Questions, SOCKET};

/// How often it is looked whether the socket is free.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Most losses that can be kept.
const MOST_KEPT: usize = 10_000;

/// Most bytes that can be kept of a segment: all that one can have.
const MOST_BYTES: usize = 64 << 10;

/// Probes, metrics and tuning over HTTP.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Admin server")]
pub struct AdminArgs {
    /// Serve /healthz, /readyz, /metrics, /ledger, /verdict, /lost and /sample-rate here: ADDRESS:PORT, :PORT for all
    /// addresses, or off
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub admin_address: Option<AdminAddress>,

    /// Serve the same at this unix socket, where the sample rate can be changed as well, by our own
    /// user and root; or off [default of agent: /run/podmirror/admin.sock]
    #[arg(long, value_name = "PATH")]
    pub admin_socket: Option<AdminSocket>,

    /// Let whoever presents the token in this file (at least 16 bytes) change the sample rate at
    /// --admin-address, as `Authorization: Bearer TOKEN` or `x-podmirror-token: TOKEN`
    #[arg(long, value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,

    /// Keep the last N losses for /lost, `podmirror why` and the page: their time, connection, request line, reason and
    /// the last segments' headers. Told by the socket and to this machine only; 0 keeps none
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = kept)]
    pub keep_lost: usize,

    /// Keep so many bytes of those segments as well, as clients and v1 sent them: nothing in them is redacted
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = bytes)]
    pub keep_lost_bytes: usize,

    /// Show what is mirrored, what is lost and why on a page for browsers here: ADDRESS:PORT, :PORT for
    /// all addresses, or off. Nothing can be changed on it without --ui-tune [default: off]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub ui: Option<AdminAddress>,

    /// Export the mirrored edge as a mesh would, for graphs such as Kiali's: istio_requests_total with these names of v1 and
    /// v2 (the rule of the flags, with one target), V1=>V2, each NAMESPACE/WORKLOAD/APP/VERSION; V2 may end with /SERVICE
    /// [default: APP]
    #[arg(long, value_name = "V1=>V2")]
    pub istio_metrics: Option<IstioNames>,

    /// Let those change the sample rate on that page who type the token of --admin-token-file there
    #[arg(long, requires = "ui", requires = "admin_token_file")]
    pub ui_tune: bool,
}

/// Where something of the admin server listens; see [`Listen`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminAddress {
    /// Nowhere.
    Off,
    /// At this address.
    On(Listen),
}

impl AdminAddress {
    fn listen(self) -> Option<Listen> {
        match self {
            Self::Off => None,
            Self::On(listen) => Some(listen),
        }
    }
}

/// What `--admin-socket` says: at which path the sample rate can be changed, or that it cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminSocket {
    /// There is no socket.
    Off,
    /// The socket's path.
    At(PathBuf),
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

impl FromStr for AdminSocket {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "off" => Self::Off,
            path => Self::At(path.into()),
        })
    }
}

/// How many losses can be kept.
fn kept(text: &str) -> Result<usize, BadValue> {
    let number = text.parse().ok().filter(|number| *number <= MOST_KEPT);
    number.ok_or_else(|| BadValue::new(text, "is no number of losses", "a number from 0 to 10000"))
}

/// How many bytes can be kept of a segment.
fn bytes(text: &str) -> Result<usize, BadValue> {
    if text == "0" {
        return Ok(0);
    }
    let bytes = size(text).ok().filter(|bytes| *bytes <= MOST_BYTES);
    bytes.ok_or_else(|| BadValue::new(text, "is no number of bytes", "a size from 0 to 64K"))
}

impl AdminArgs {
    /// What is kept of losses: nothing, where nobody can ask for it.
    #[must_use]
    pub fn keep_lost(&self) -> KeepLost {
        let listen = [self.admin_address, self.ui].into_iter().flatten();
        let somebody = listen.filter_map(AdminAddress::listen).count() > 0
            || matches!(self.admin_socket, Some(AdminSocket::At(_)));
        self.keep_lost_if(somebody)
    }

    /// The same of an agent, which has an address and a socket unless flags say otherwise.
    #[must_use]
    pub fn keep_lost_of_agent(&self) -> KeepLost {
        let listens =
            |address: Option<AdminAddress>| address.and_then(AdminAddress::listen).is_some();
        let somebody = self.admin_address.is_none()
            || listens(self.admin_address)
            || listens(self.ui)
            || !matches!(self.admin_socket, Some(AdminSocket::Off));
        self.keep_lost_if(somebody)
    }

    /// Refuses names of one v2 where there are several, or none.
    ///
    /// # Errors
    /// A [`UsageError`] that says so.
    pub fn check(&self, targets: usize) -> Result<(), UsageError> {
        match (&self.istio_metrics, targets) {
            (None, _) | (_, 1) => Ok(()),
            (Some(_), others) => Err(UsageError(format!(
                "--istio-metrics: it names one v2, and there are {others} targets; accepted with one --target"
            ))),
        }
    }

    fn keep_lost_if(&self, somebody: bool) -> KeepLost {
        match somebody {
            true => KeepLost {
                losses: self.keep_lost,
                bytes: self.keep_lost_bytes,
            },
            false => KeepLost::default(),
        }
    }

    /// Starts the server where a flag says so.
    ///
    /// # Errors
    /// It can't listen there, or the file has no token.
    pub async fn start(&self) -> anyhow::Result<(Option<Admin>, Questions)> {
        let listen = self.admin_address.and_then(AdminAddress::listen);
        let page = self.ui.and_then(AdminAddress::listen);
        let socket = match &self.admin_socket {
            None | Some(AdminSocket::Off) => None,
            Some(AdminSocket::At(path)) => Some(path),
        };
        if listen.is_none() && page.is_none() && socket.is_none() {
            return Ok((None, Questions::none()));
        }
        let config = AdminConfig {
            listen,
            token: self.admin_token_file.clone(),
            page,
            page_tunes: self.ui_tune,
            istio: self.istio_metrics.clone(),
        };
        let (mut admin, questions) = Admin::start(config).await?;
        if let Some(path) = socket {
            admin.open_socket(path)?;
            log::info!("admin socket at {}", path.display());
        }
        if let Some(address) = admin.address() {
            log::info!("admin server at http://{address}");
        }
        if let Some(address) = admin.page_address() {
            log::info!("page for browsers at http://{address}");
        }
        Ok((Some(admin), questions))
    }

    /// Starts the server of an agent: where no flag says otherwise at `listen`, and at [`SOCKET`].
    /// Without the latter it can't be tuned, which is no reason not to mirror. If it `waits`, it has the socket
    /// once another podmirror leaves it.
    ///
    /// # Errors
    /// Those of [`start`](Self::start), for what a flag says.
    pub async fn start_agent(
        &self,
        listen: Listen,
        waits: bool,
    ) -> anyhow::Result<(Serving, Questions)> {
        let mut args = self.clone();
        args.admin_address.get_or_insert(AdminAddress::On(listen));
        let (admin, questions) = args.start().await?;
        let mut server = match (admin, &self.admin_socket) {
            (Some(server), None) => server,
            (admin, _) => return Ok((Serving::Serves(admin.map(Box::new)), questions)),
        };
        match server.open_socket(SOCKET.as_ref()) {
            Ok(()) => log::info!("admin socket at {SOCKET}"),
            Err(error) if waits => {
                log::info!("{error:#}: tried again until it is free");
                return Ok((Serving::waiting(server), questions));
            }
            Err(error) => log::warn!("{error:#}: `podmirror set` can't tune this agent"),
        }
        Ok((Serving::Serves(Some(Box::new(server))), questions))
    }
}

/// An agent's admin server; it ends when this is dropped.
pub enum Serving {
    /// With all that it has.
    Serves(Option<Box<Admin>>),
    /// Until its socket is free.
    Waits(JoinHandle<()>),
}

impl Serving {
    fn waiting(mut admin: Admin) -> Self {
        Self::Waits(tokio::spawn(async move {
            while admin.open_socket(SOCKET.as_ref()).is_err() {
                sleep(AGAIN_AFTER).await;
            }
            log::info!("admin socket at {SOCKET}");
            // It serves until this task is aborted.
            pending::<()>().await;
        }))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Self::Waits(task) = self {
            task.abort();
        }
    }
}
