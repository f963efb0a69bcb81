//! What is written into TrafficMirrors: it lasts, whether agents can be seen or not.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, bail};
use mirror_core::value::Rate;
use mirror_kubernetes::cluster::{
    Client,
    agents::{self, AgentPod, MirrorChange, MirrorName},
};
use tokio::time::{self, Instant};

use super::{
    PARTLY,
    fleet::{Fleet, Told, complain},
};

/// How long it is waited between two looks at whether the agents have taken it.
const EVERY: Duration = Duration::from_millis(500);

/// Changes a TrafficMirror in the API, and waits until the agents that act on it do as it says.
pub(super) async fn write(
    fleet: Fleet,
    mirror: &MirrorName,
    change: MirrorChange,
) -> Result<ExitCode> {
    let changed = agents::change(&fleet.client, mirror, change);
    let changed = time::timeout(fleet.patience, changed).await;
    changed
        .context("the API does not answer in time")?
        .with_context(|| format!("TrafficMirror {mirror}"))?;
    println!("TrafficMirror {mirror}: {}", words(change));
    // Who may change documents need not see agents.
    let fleet = match fleet.found().await {
        Ok(fleet) => fleet,
        Err(error) => {
            eprintln!("it is written; whether agents do as it says can't be seen: {error:#}");
            return Ok(ExitCode::from(PARTLY));
        }
    };
    let until = Instant::now() + fleet.patience;
    loop {
        let now = rates(&fleet, mirror).await;
        if nobody_acts(change, &now) {
            println!(
                "no node acts on it: `kubectl describe tmirror` says why, if it is not suspended"
            );
            return Ok(ExitCode::SUCCESS);
        }
        let done = now
            .iter()
            .filter(|(_, it)| it.as_ref().is_ok_and(|it| taken(change, it)));
        let done = done.count();
        if done == now.len() || Instant::now() >= until {
            println!("{done} of {} nodes do as it says", now.len());
            let silent = complain(&now);
            if silent == 0 && done < now.len() {
                println!(
                    "the others have not heard of it yet, or are told otherwise by their flags"
                );
            }
            return Ok(match done == now.len() {
                true => ExitCode::SUCCESS,
                false => ExitCode::from(PARTLY),
            });
        }
        time::sleep(EVERY).await;
    }
}

fn words(change: MirrorChange) -> String {
    match change {
        MirrorChange::Percent(rate) => format!("{rate} of every target's requests"),
        MirrorChange::Suspend(true) => "suspended".to_owned(),
        MirrorChange::Suspend(false) => "no longer suspended".to_owned(),
    }
}

/// The rates of the rules of a TrafficMirror, as each agent has them.
async fn rates<'a>(fleet: &'a Fleet, mirror: &MirrorName) -> Told<'a, Vec<Rate>> {
    let title = format!("TrafficMirror {mirror}");
    let of = |body: &[u8]| {
        let text = String::from_utf8_lossy(body).into_owned();
        let lines = text
            .lines()
            .map(|line| line.split_once('\t').unwrap_or_default());
        let own = lines.filter(|(_, rule)| {
            let rest = rule.strip_prefix(&title);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        });
        own.filter_map(|(rate, _)| rate.parse().ok()).collect()
    };
    let told = fleet.read("/sample-rate").await.into_iter();
    told.map(|(agent, body)| (agent, body.map(|body| of(&body))))
        .collect()
}

fn taken(change: MirrorChange, rates: &[Rate]) -> bool {
    match change {
        MirrorChange::Percent(rate) => rates.iter().all(|it| *it == rate),
        MirrorChange::Suspend(true) => rates.is_empty(),
        MirrorChange::Suspend(false) => !rates.is_empty(),
    }
}

/// Whether a share was written that no agent has a rule for. An agent that does not answer may have one.
fn nobody_acts(change: MirrorChange, told: &[(&AgentPod, Result<Vec<Rate>>)]) -> bool {
    let is_share = matches!(change, MirrorChange::Percent(_));
    is_share
        && told
            .iter()
            .all(|(_, it)| it.as_ref().is_ok_and(Vec::is_empty))
}

/// Suspends every TrafficMirror of the cluster.
pub(super) async fn suspend_all(client: &Client, patience: Duration) -> Result<()> {
    let (documents, unread) = agents::documents(client, None).await;
    let mut failed = 0;
    let field = |value: &serde_json::Value, path| {
        let found = value.pointer(path).and_then(serde_json::Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    for document in documents {
        if field(&document.value, "/kind") != "TrafficMirror" {
            continue;
        }
        let mirror = MirrorName {
            namespace: field(&document.value, "/metadata/namespace"),
            name: field(&document.value, "/metadata/name"),
        };
        let suspended = agents::change(client, &mirror, MirrorChange::Suspend(true));
        match time::timeout(patience, suspended).await {
            Ok(Ok(())) => println!("TrafficMirror {mirror}: suspended"),
            Ok(Err(error)) => {
                failed += 1;
                eprintln!("TrafficMirror {mirror}: {error:#}");
            }
            Err(_) => {
                failed += 1;
                eprintln!("TrafficMirror {mirror}: the API does not answer in time");
            }
        }
    }
    if let Some(why) = unread.iter().find(|why| why.starts_with("TrafficMirror")) {
        bail!("{why}");
    }
    if failed > 0 {
        bail!("{failed} TrafficMirrors are not suspended");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::cli::kubectl::tests::agent;

    #[test]
    fn an_agent_that_is_silent_may_act_on_it() {
        let (one, two) = (agent("a"), agent("b"));
        let tenth: Rate = "10%".parse().unwrap();
        let share = MirrorChange::Percent(tenth);
        let idle = || Ok(Vec::new());
        assert!(nobody_acts(share, &[(&one, idle()), (&two, idle())]));
        let silent = Err(anyhow!("no answer"));
        assert!(!nobody_acts(share, &[(&one, idle()), (&two, silent)]));
        let acts = Ok(vec![tenth]);
        assert!(!nobody_acts(share, &[(&one, idle()), (&two, acts)]));
        // Of one that is switched off nobody has rules, as it should be.
        let off = MirrorChange::Suspend(true);
        assert!(!nobody_acts(off, &[(&one, idle())]));
    }
}
