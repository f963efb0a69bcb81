//! `podmirror verdict`: what a running podmirror has found out about a candidate.

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use tokio::time::sleep;

use super::{supervise, value::duration};
use crate::admin::{SOCKET, client};

/// Between two questions.
const EVERY: Duration = Duration::from_secs(1);

/// Ask a running podmirror whether the candidate does as well as the baseline
///
/// For a podmirror whose targets have role=baseline and role=candidate. Prints what it found, as JSON.
/// Exit code: 0 same, 1 differs, 3 not enough yet, 4 if it can't be asked.
#[derive(Args, Clone, Debug)]
pub struct VerdictArgs {
    /// Ask again until there is enough to tell, for so long
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    wait: Duration,

    /// Ask about this rule, by its name in the metrics [default: the worst of all rules]
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,

    /// The unix socket of the admin server
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    admin_socket: PathBuf,

    /// The address of the admin server instead
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "admin_socket")]
    admin_address: Option<String>,
}

impl VerdictArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = supervise::runtime()?;
        Ok(match runtime.block_on(self.ask()) {
            Ok((code, found)) => {
                println!("{found:#}");
                code.into()
            }
            Err(error) => {
                eprintln!("podmirror: {error:#}");
                ExitCode::from(4)
            }
        })
    }

    async fn ask(&self) -> anyhow::Result<(u8, Value)> {
        let server = match &self.admin_address {
            Some(address) => client::Server::Network(address.clone(), None),
            None => client::Server::Socket(self.admin_socket.clone()),
        };
        let until = Instant::now() + self.wait;
        loop {
            let found: Value = serde_json::from_str(&client::verdict(&server).await?)
                .context("the answer is no JSON")?;
            let found = self.of_rule(found)?;
            match found.get("verdict").and_then(Value::as_str) {
                Some("same") => return Ok((0, found)),
                Some("differs") => return Ok((1, found)),
                _ if Instant::now() >= until => return Ok((3, found)),
                _ => sleep(EVERY).await,
            }
        }
    }

    fn of_rule(&self, found: Value) -> anyhow::Result<Value> {
        let Some(rule) = &self.rule else {
            return Ok(found);
        };
        let one = found.get("rules").and_then(|rules| rules.get(rule));
        one.cloned()
            .with_context(|| format!("no rule `{rule}` compares targets"))
    }
}
