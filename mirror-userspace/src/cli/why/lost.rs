//! What a running podmirror lost last, asked for and written down.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use clap::Args;
use mirror_runtime::record::create_private;

use super::told::{Lost, Told};
use crate::{
    admin::{SOCKET, client},
    cli::{admin_at::AdminAt, supervise},
};

/// Losses that one question for a capture file can name.
const AT_A_TIME: usize = 100;

/// Which losses, and where they are kept.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "What was lost last")]
pub(super) struct LostArgs {
    /// Ask the podmirror whose admin server is there: HOST:PORT on this machine (such as a kubectl port-forward), or the
    /// path of its socket; without a value, and with the other flags, /run/podmirror/admin.sock
    #[arg(long, value_name = "ADDRESS|SOCKET", num_args = 0..=1, default_missing_value = SOCKET)]
    admin: Option<AdminAt>,

    /// Only losses of this connection: CLIENT:PORT-SERVER:PORT, or the client's part of it
    #[arg(long, value_name = "A:P-B:P")]
    flow: Option<String>,

    /// Only the loss of this number
    #[arg(long, value_name = "N", conflicts_with = "flow")]
    id: Option<u64>,

    /// Write the last segments of those connections to this pcapng file, readable by its owner only
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

impl LostArgs {
    pub(super) const fn is_asked(&self) -> bool {
        self.admin.is_some() || self.flow.is_some() || self.id.is_some() || self.pcap.is_some()
    }

    pub(super) fn run(&self, reasons: &[String]) -> anyhow::Result<ExitCode> {
        let server = match &self.admin {
            Some(AdminAt(server)) => server.clone(),
            None => client::Server::Socket(SOCKET.into()),
        };
        let runtime = supervise::runtime()?;
        let path = self
            .id
            .map_or("/lost".to_owned(), |id| format!("/lost?id={id}"));
        let answer = runtime.block_on(client::lost(&server, &path))?;
        let told: Told = serde_json::from_slice(&answer).with_context(|| {
            format!("{server}: its answer is none that this podmirror understands")
        })?;
        let wanted: Vec<&Lost> = told
            .lost
            .iter()
            .filter(|lost| self.wants(lost, reasons))
            .collect();
        if wanted.is_empty() {
            return self.nothing(&told);
        }
        let mut out = String::new();
        for lost in &wanted {
            lost.describe(told.now, &mut out);
        }
        print!("{out}");
        if told.not_kept > 0 {
            println!(
                "{} other losses are not kept (--keep-lost {})",
                told.not_kept, told.keep
            );
        }
        if let Some(file) = &self.pcap {
            let ids: Vec<_> = wanted
                .iter()
                .take(AT_A_TIME)
                .map(|lost| lost.id.to_string())
                .collect();
            let path = format!("/lost.pcapng?id={}", ids.join(","));
            let bytes = runtime.block_on(client::lost(&server, &path))?;
            let written = create_private(file).and_then(|mut to| to.write_all(&bytes));
            written.with_context(|| format!("--pcap {}", file.display()))?;
            eprintln!(
                "podmirror: wrote {} of {} losses",
                file.display(),
                ids.len()
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    fn wants(&self, lost: &Lost, reasons: &[String]) -> bool {
        let of_flow = self.flow.as_ref().is_none_or(|flow| lost.is_of_flow(flow));
        of_flow && (reasons.is_empty() || reasons.iter().any(|reason| lost.is_of_reason(reason)))
    }

    fn nothing(&self, told: &Told) -> anyhow::Result<ExitCode> {
        if told.keep == 0 {
            bail!("this podmirror keeps no losses: start it with --keep-lost 100");
        }
        let all = "`podmirror why --admin` shows all that are kept";
        if let Some(id) = self.id {
            bail!(
                "no loss of number {id} is kept: newer ones may have taken its place (--keep-lost {}); {all}",
                told.keep
            );
        }
        if let Some(flow) = &self.flow {
            bail!("no loss of the connection {flow} is kept; {all}");
        }
        if self.pcap.is_some() {
            bail!("nothing is written: no such loss is kept");
        }
        println!(
            "nothing of that kind was lost, as far as losses are kept (--keep-lost {})",
            told.keep
        );
        Ok(ExitCode::SUCCESS)
    }
}
