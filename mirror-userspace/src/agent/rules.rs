//! The rules that run, and what changes when there are others.

use std::collections::BTreeMap;

use mirror_kubernetes::{cluster::RuleId, plan::Rule};

/// The rules that run, by name.
#[derive(Debug, Default)]
pub(super) struct Rules {
    running: BTreeMap<String, Running>,
    last: u32,
}

#[derive(Debug)]
struct Running {
    id: RuleId,
    rule: Rule,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum RuleChange {
    /// Stop the rule with this ID and name.
    Stop(RuleId, String),
    /// Start this rule under this ID.
    Start(RuleId, Box<Rule>),
}

impl Rules {
    /// Replaces the rules. One that is the same as before goes on undisturbed; one that has changed is
    /// stopped, and started under another number.
    pub(super) fn replace(&mut self, rules: Vec<Rule>) -> Vec<RuleChange> {
        let mut wanted: BTreeMap<_, _> = BTreeMap::new();
        for rule in rules {
            wanted.insert(rule.name.clone(), rule);
        }
        let mut changes = Vec::new();
        self.running.retain(|name, running| {
            let same = wanted
                .get(name)
                .is_some_and(|rule| is_same(rule, &running.rule));
            if !same {
                changes.push(RuleChange::Stop(running.id, name.clone()));
            }
            same
        });
        for (name, rule) in wanted {
            if self.running.contains_key(&name) {
                continue;
            }
            self.last = self.last.wrapping_add(1);
            let id = RuleId(self.last);
            changes.push(RuleChange::Start(id, Box::new(rule.clone())));
            self.running.insert(name, Running { id, rule });
        }
        changes
    }

    /// A rule that could not be started.
    pub(super) fn remove(&mut self, name: &str) {
        self.running.remove(name);
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Rule> {
        self.running.values().map(|running| &running.rule)
    }

    /// The name of a rule.
    pub(super) fn name(&self, id: RuleId) -> Option<&str> {
        let mut all = self.running.iter();
        all.find(|(_, running)| running.id == id)
            .map(|(name, _)| name.as_str())
    }
}

/// Patterns can't be compared, but their debug text shows all that they were made of.
fn is_same(one: &Rule, other: &Rule) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

#[cfg(test)]
mod tests {
    use mirror_core::{
        destination::LabelSelector,
        policy::{FilterConfig, PolicyConfig},
    };

    use mirror_kubernetes::plan::{Scope, Source};

    use super::*;

    fn rule(name: &str, path: &str) -> Rule {
        Rule {
            name: name.to_owned(),
            tenant: None,
            source: Source::Pods {
                scope: Scope::All,
                selector: LabelSelector::default(),
                ports: vec![80],
            },
            policy: PolicyConfig {
                filter: FilterConfig {
                    allow_paths: vec![path.parse().unwrap()],
                    ..FilterConfig::default()
                },
                ..PolicyConfig::default()
            },
            sample_by: None,
            max_rps: None,
            targets: vec!["http://v2".parse().unwrap()],
        }
    }

    fn replaced(rules: &mut Rules, by: Vec<Rule>) -> Vec<String> {
        let text = |change| match change {
            RuleChange::Stop(id, name) => format!("stop {} {name}", id.0),
            RuleChange::Start(id, rule) => format!("start {} {}", id.0, rule.name),
        };
        rules.replace(by).into_iter().map(text).collect()
    }

    #[test]
    fn only_what_differs_is_stopped_and_started() {
        let mut rules = Rules::default();
        let first = vec![rule("a", "/a"), rule("b", "/b")];
        assert_eq!(
            replaced(&mut rules, first.clone()),
            ["start 1 a", "start 2 b"]
        );
        assert_eq!(replaced(&mut rules, first), [""; 0]);
        let changed = vec![rule("b", "/other"), rule("a", "/a"), rule("c", "/c")];
        let expected = ["stop 2 b", "start 3 b", "start 4 c"];
        assert_eq!(replaced(&mut rules, changed), expected);
        assert_eq!(rules.name(RuleId(3)), Some("b"));
        assert_eq!(rules.name(RuleId(2)), None);
        assert_eq!(
            replaced(&mut rules, vec![]),
            ["stop 1 a", "stop 3 b", "stop 4 c"]
        );
    }
}
