//! The last losses, and the last replies that differed, of all agents: the newest of them, asked for once for all browsers.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::Result;
use bytes::Bytes;
use mirror_kubernetes::cluster::agents::AgentPod;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{
    fleet::Fleet,
    live::{Live, turn},
    source::failed,
};
use crate::{
    admin::Failure,
    cli::top::books::{count, list},
};

/// Entries in an answer: the newest.
const SHOWN: usize = 200;

/// How long each agent may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// What all agents have at a path.
pub(super) struct Newest {
    path: &'static str,
    name: &'static str,
    last: Mutex<Option<Asked>>,
}

/// What they told, and since when they were asked.
struct Asked {
    at: Instant,
    told: Result<Value, Failure>,
}

/// What an answer is to somebody.
#[derive(Debug, PartialEq, Eq)]
enum Worth {
    /// As good as a new one.
    New,
    /// All that there is before they may be asked again.
    Old,
    Nothing,
}

impl Newest {
    /// What they have there, in the list of this name.
    pub(super) fn at(path: &'static str, name: &'static str) -> Self {
        let last = Mutex::default();
        Self { path, name, last }
    }

    /// What those that answer have, the newest entries of all first. It is marked as `old` where it is, and may be asked for
    /// again.
    pub(super) async fn get(&self, live: &Mutex<Live>) -> Result<Bytes, Failure> {
        let came = Instant::now();
        // Held while they are asked: whoever comes meanwhile does not ask them as well.
        let mut last = self.last.lock().await;
        let (mut fleet, silent, turn) = {
            let live = live.lock().await;
            let silent: Vec<_> = live.silent().collect();
            let named: Vec<_> = silent.iter().map(|(agent, _)| agent.node.clone()).collect();
            let mut fleet = Fleet::clone(live.fleet());
            let turn = turn(fleet.agents.len());
            let silent: BTreeSet<_> = silent.iter().map(|(agent, _)| &agent.name).collect();
            fleet.agents.retain(|it| !silent.contains(&it.name));
            (fleet, named, turn)
        };
        let now = Instant::now();
        let worth = last.as_ref().map(|last| last.worth(came, now, turn));
        let told = match (worth, &*last) {
            (Some(Worth::New), Some(last)) => last.told.clone(),
            (Some(Worth::Old), Some(last)) => last.told.clone().map(|mut told| {
                if let Some(told) = told.as_object_mut() {
                    told.insert("old".to_owned(), json!(true));
                }
                told
            }),
            _ => {
                fleet.patience = fleet.patience.min(PATIENCE);
                let told = fleet.read(self.path).await.into_iter();
                let told = told.map(|(agent, told)| {
                    let told = told.and_then(|it| Ok(serde_json::from_slice(&it)?));
                    (agent, told)
                });
                let told = newest(self.name, told, silent);
                let asked = Asked {
                    at: now,
                    told: told.clone(),
                };
                *last = Some(asked);
                told
            }
        };
        told.map(|told| told.to_string().into())
    }
}

impl Asked {
    /// What it is to who came at this time. Where agents are many they are asked half as often as for their books; but if
    /// none of them told anything, again.
    fn worth(&self, came: Instant, now: Instant, turn: Duration) -> Worth {
        let is_many = turn > Duration::from_secs(1);
        let rests = turn.saturating_mul(2);
        if self.at >= came {
            Worth::New
        } else if is_many && self.told.is_ok() && now.saturating_duration_since(self.at) < rests {
            Worth::Old
        } else {
            Worth::Nothing
        }
    }
}

/// What agents told, the newest entries of all first. Nothing is got only where none of them told anything: those that were
/// not asked, for they are `silent`, are named as those are that failed.
fn newest<'a>(
    name: &str,
    told: impl Iterator<Item = (&'a AgentPod, Result<Value>)>,
    silent: Vec<String>,
) -> Result<Value, Failure> {
    let (mut all, mut sum) = (
        Vec::new(),
        json!({"now": 0.0, "keep": 0.0, "not_kept": 0.0}),
    );
    let (mut trouble, mut why, mut answers) = (silent, None, 0_usize);
    for (agent, told) in told {
        match told {
            Ok(told) => {
                answers += 1;
                let most = |name| count(&sum, name).max(count(&told, name));
                let (now, keep) = (most("now"), most("keep"));
                let not_kept = count(&sum, "not_kept") + count(&told, "not_kept");
                sum = json!({"now": now, "keep": keep, "not_kept": not_kept});
                let listed = list(&told, name).iter().cloned();
                all.extend(listed.map(|it| of_agent(agent, it)));
            }
            Err(error) => {
                trouble.push(agent.node.clone());
                why.get_or_insert(format!("{}: {error:#}", agent.node));
            }
        }
    }
    let said = format!("Not told by {}.", trouble.join(", "));
    if answers == 0 && !trouble.is_empty() {
        return Err(failed(why.unwrap_or(said)));
    }
    all.sort_by(|one, other| count(other, "at").total_cmp(&count(one, "at")));
    all.truncate(SHOWN);
    if let Some(sum) = sum.as_object_mut() {
        sum.insert(name.to_owned(), Value::from(all));
        if !trouble.is_empty() {
            sum.insert("trouble".to_owned(), json!(said));
        }
    }
    Ok(sum)
}

fn of_agent(agent: &AgentPod, mut it: Value) -> Value {
    if let Some(it) = it.as_object_mut() {
        it.insert("node".to_owned(), json!(agent.node));
        it.insert("agent".to_owned(), json!(agent.name));
    }
    it
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;
    use crate::cli::kubectl::tests::agent;

    #[test]
    fn few_are_asked_by_everyone_and_many_are_left_alone_for_two_turns() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let [few, many] = [1, 32].map(Duration::from_secs);
        let worth = |asked, came, now, turn| {
            let told = Ok(Value::Null);
            Asked { at: asked, told }.worth(came, now, turn)
        };
        for turn in [few, many] {
            // They were asked after somebody had come, who had to wait for that.
            assert_eq!(worth(at(5), at(4), at(9), turn), Worth::New);
        }
        assert_eq!(worth(at(5), at(6), at(6), few), Worth::Nothing);
        assert_eq!(worth(at(5), at(6), at(6), many), Worth::Old);
        assert_eq!(worth(at(5), at(68), at(68), many), Worth::Old);
        assert_eq!(worth(at(5), at(69), at(69), many), Worth::Nothing);
    }

    #[test]
    fn a_failure_is_told_to_those_who_waited_for_it_only() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let failure = Asked {
            at: at(5),
            told: Err(failed("none answered".to_owned())),
        };
        for turn in [1, 32].map(Duration::from_secs) {
            assert_eq!(failure.worth(at(4), at(9), turn), Worth::New);
            assert_eq!(failure.worth(at(6), at(6), turn), Worth::Nothing);
        }
    }

    /// Two are silent already, one fails now, and one tells.
    #[test]
    fn one_answer_is_told_whoever_else_fails() {
        let agents = ["c", "d"].map(agent);
        let tell = |fourth: bool| {
            let told = agents.iter().map(move |agent| match &*agent.node {
                "d" if fourth => (agent, Ok(json!({"lost": [{"at": 1}], "keep": 5}))),
                _ => (agent, (|| bail!("refused"))()),
            });
            newest("lost", told, vec!["a".to_owned(), "b".to_owned()])
        };
        let told = tell(true).unwrap();
        assert_eq!(told["lost"][0]["node"], "d");
        assert_eq!(told["trouble"], "Not told by a, b, c.");
        assert_eq!(tell(false).unwrap_err().1, "c: refused");
        // Nobody is there to be asked.
        let none = newest("lost", [].into_iter(), vec!["a".to_owned()]);
        assert_eq!(none.unwrap_err().1, "Not told by a.");
        newest("lost", [].into_iter(), Vec::new()).unwrap();
    }
}
