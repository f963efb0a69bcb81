//! `kubectl podmirror verdict`: what all nodes together have found out about a candidate.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use hyper::StatusCode;
use serde_json::Value;

use super::fleet::{Fleet, complain, successful};
use crate::cli::{added, verdict::code};

/// Say whether the candidate does as well as the baseline, by what all nodes have counted together
///
/// Prints what they found, as JSON: counts are added up, and judged.
///
/// Exit code: 0 same, 1 differs, 3 not enough yet, 4 if not all nodes can be asked.
#[derive(Args, Clone, Debug)]
pub(super) struct VerdictArgs {
    /// Ask about this rule, by its name in `status` [default: the worst of all rules]
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
}

/// The exit code where nobody can tell.
const UNKNOWN: u8 = 4;

impl VerdictArgs {
    pub(super) async fn run(&self, fleet: Result<Fleet>) -> ExitCode {
        let found = match fleet {
            Ok(fleet) => self.ask(&fleet).await,
            Err(error) => Err(error),
        };
        match found {
            Ok((found, failed)) => {
                println!("{found:#}");
                ExitCode::from(if failed > 0 { UNKNOWN } else { code(&found) })
            }
            Err(error) => {
                eprintln!("kubectl podmirror: {error:#}");
                ExitCode::from(UNKNOWN)
            }
        }
    }

    async fn ask(&self, fleet: &Fleet) -> Result<(Value, usize)> {
        let answers = fleet.get("/verdict").await.into_iter();
        let told: Vec<_> = answers
            .map(|(agent, answer)| (agent, answer.and_then(read)))
            .collect();
        let failed = complain(&told);
        if failed == told.len() {
            bail!("none of the {failed} agents answered");
        }
        let found = told.into_iter().filter_map(|(agent, found)| {
            let found = found.ok().flatten()?;
            Some(Ok((agent.node.clone(), found)))
        });
        let mut found = found.peekable();
        if found.peek().is_none() {
            bail!("nothing is compared: give targets with role=baseline and role=candidate");
        }
        let found = added::sum(found)?;
        let Some(rule) = &self.rule else {
            return Ok((found, failed));
        };
        let one = found.get("rules").and_then(|rules| rules.get(rule));
        let one = one.with_context(|| format!("no rule {rule:?} compares targets"))?;
        Ok((one.clone(), failed))
    }
}

/// The verdict of one agent; `None` if it compares nothing.
fn read((status, body): (StatusCode, bytes::Bytes)) -> Result<Option<Value>> {
    let body = match status {
        StatusCode::NOT_FOUND => return Ok(None),
        StatusCode::CONFLICT | StatusCode::TOO_EARLY => body,
        _ => successful((status, body))?,
    };
    let found: Value = serde_json::from_slice(&body).context("its answer is no JSON")?;
    // An agent without pods of a rule that compares has no rules to add.
    let rules = found.get("rules").and_then(Value::as_object);
    Ok((!rules.is_some_and(serde_json::Map::is_empty)).then_some(found))
}
