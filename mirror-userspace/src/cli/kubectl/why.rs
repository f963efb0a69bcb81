//! `kubectl podmirror why`: the last losses of all nodes.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::{
    PARTLY,
    fleet::{Fleet, complain},
};
use crate::cli::{
    harmless::harmless,
    why::{
        explain,
        told::{Lost, Told},
    },
};

/// Say what was lost last on all nodes, and why
///
/// Each loss with its connection, request line, reason and what helps, as far as agents keep them (--keep-lost); the newest
/// first.
#[derive(Args, Clone, Debug)]
pub(super) struct WhyArgs {
    /// Only losses of these reasons, whose meaning is said first: queue_full, or requests.dropped.queue_full
    #[arg(value_name = "REASON")]
    reasons: Vec<String>,

    /// Only losses of this connection: CLIENT:PORT-SERVER:PORT, or the client's part of it
    #[arg(long, value_name = "A:P-B:P")]
    flow: Option<String>,

    /// How many are shown
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: usize,
}

impl WhyArgs {
    pub(super) async fn run(&self, fleet: &Fleet) -> Result<ExitCode> {
        if !self.reasons.is_empty() {
            println!("{}", explain(&self.reasons)?);
        }
        let answers = fleet.read("/lost").await.into_iter();
        let told: Vec<_> = answers
            .map(|(agent, body)| {
                let told = body.and_then(|body| {
                    let told = serde_json::from_slice::<Told>(&body);
                    told.context("its answer is none that this podmirror understands")
                });
                (agent, told)
            })
            .collect();
        let mut lost: Vec<(&str, f64, &Lost)> = Vec::new();
        let (mut not_kept, mut keep) = (0_u64, 0);
        for (agent, told) in &told {
            let Ok(told) = told else { continue };
            not_kept = not_kept.saturating_add(told.not_kept);
            keep = keep.max(told.keep);
            let wanted = told.lost.iter().filter(|it| self.wants(it));
            lost.extend(wanted.map(|it| (agent.node.as_str(), told.now, it)));
        }
        lost.sort_by(|(.., one), (.., other)| other.at.total_cmp(&one.at));
        let mut out = String::new();
        for (node, now, lost) in lost.iter().take(self.last) {
            out.extend(node.chars().map(harmless));
            out.push_str(": ");
            lost.describe(*now, &mut out);
        }
        print!("{out}");
        let failed = complain(&told);
        if failed == told.len() {
            bail!("none of the {failed} agents answered");
        }
        if keep == 0 {
            println!("the agents keep no losses: start them with --keep-lost 100");
        } else if lost.is_empty() {
            println!(
                "nothing of that kind was lost, as far as losses are kept (--keep-lost {keep})"
            );
        } else if lost.len() > self.last {
            println!("{} others are kept (--last)", lost.len() - self.last);
        }
        if not_kept > 0 {
            println!("{not_kept} other losses are not kept (--keep-lost {keep} of each agent)");
        }
        Ok(match failed {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::from(PARTLY),
        })
    }

    fn wants(&self, lost: &Lost) -> bool {
        let of_flow = self.flow.as_ref().is_none_or(|flow| lost.is_of_flow(flow));
        let reasons = &self.reasons;
        of_flow && (reasons.is_empty() || reasons.iter().any(|reason| lost.is_of_reason(reason)))
    }
}
