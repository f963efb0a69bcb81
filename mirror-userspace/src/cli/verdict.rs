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

use super::{added, supervise, value::duration};
use crate::admin::{SOCKET, client};

/// How long `podmirror verdict --wait` waits between two questions.
const EVERY: Duration = Duration::from_secs(1);

/// Ask a running podmirror whether the candidate does as well as the baseline
///
/// For a podmirror whose targets have role=baseline and role=candidate. Prints what it found, as JSON.
/// With --add, adds up what several have found, and judges that.
///
/// Exit code: 0 same, 1 differs, 3 not enough yet, 4 if it can't be asked or read.
#[derive(Args, Clone, Debug)]
pub struct VerdictArgs {
    /// Keep asking for up to this long, until there is enough to tell
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    wait: Duration,

    /// Ask about this rule, by its name in the metrics [default: that of the flags, or, if that
    /// compares nothing, the worst of all]
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,

    /// Ask nobody: add up the verdicts in these files, which podmirror verdict, GET /verdict and --verdict-json
    /// wrote on several nodes, and judge the sum
    #[arg(long, value_name = "FILE", num_args = 1..,
          conflicts_with_all = ["wait", "admin_socket", "admin_address"])]
    add: Vec<PathBuf>,

    /// The unix socket of the admin server
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    admin_socket: PathBuf,

    /// The address of the admin server instead
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "admin_socket")]
    admin_address: Option<String>,
}

/// The exit code for `not enough yet`.
const NOT_ENOUGH: u8 = 3;

pub(super) fn code(found: &Value) -> u8 {
    match found.get("verdict").and_then(Value::as_str) {
        Some("same") => 0,
        Some("differs") => 1,
        _ => NOT_ENOUGH,
    }
}

impl VerdictArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let found = if self.add.is_empty() {
            supervise::runtime()?.block_on(self.ask())
        } else {
            added::read(&self.add)
                .and_then(|found| self.of_rule(found))
                .map(|found| (code(&found), found))
        };
        Ok(match found {
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
            match code(&found) {
                NOT_ENOUGH if Instant::now() < until => sleep(EVERY).await,
                code => return Ok((code, found)),
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
