//! The rules that run, and what changes when there are others.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
};

use mirror_core::policy::Policy;
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
    /// The rule's [`shape`].
    shape: String,
}

impl Running {
    fn new(id: RuleId, rule: Rule) -> Self {
        let shape = shape(&rule);
        Self { id, rule, shape }
    }
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum RuleChange {
    /// Stop the rule with this ID and name.
    Stop(RuleId, String),
    /// Start this rule under this ID.
    Start(RuleId, Box<Rule>),
    /// The rule with this ID goes on as this one, whose name, shares, requests or rewrites are others.
    Change(RuleId, Box<Rule>),
}

impl Rules {
    /// Replaces the rules. One that is the same as before goes on undisturbed. One with the same source and targets
    /// goes on otherwise, also under another name: a route that is put before others moves them. One that has
    /// changed in another way is stopped, and started under another number.
    pub(super) fn replace(&mut self, rules: Vec<Rule>) -> Vec<RuleChange> {
        let mut wanted: BTreeMap<_, _> = BTreeMap::new();
        for rule in rules {
            wanted.insert(rule.name.clone(), rule);
        }
        let mut before = mem::take(&mut self.running);
        let mut changes = Vec::new();
        // By name first: of two that are alike each keeps its own.
        wanted.retain(|name, rule| match before.get(name) {
            Some(running) if running.shape == shape(rule) => {
                let running = before.remove(name);
                self.go_on(running, rule, &mut changes);
                false
            }
            _ => true,
        });
        let mut alike: HashMap<String, Vec<String>> = HashMap::new();
        for (name, running) in before.iter().rev() {
            let same = alike.entry(running.shape.clone()).or_default();
            same.push(name.clone());
        }
        wanted.retain(|_, rule| {
            let moved = alike.get_mut(&shape(rule)).and_then(Vec::pop);
            let running = moved.and_then(|name| before.remove(&name));
            let goes_on = running.is_some();
            self.go_on(running, rule, &mut changes);
            !goes_on
        });
        let stopped = before.into_iter();
        changes.extend(stopped.map(|(name, running)| RuleChange::Stop(running.id, name)));
        for (name, rule) in wanted {
            self.last = self.last.wrapping_add(1);
            let id = RuleId(self.last);
            changes.push(RuleChange::Start(id, Box::new(rule.clone())));
            self.running.insert(name, Running::new(id, rule));
        }
        changes
    }

    fn go_on(&mut self, running: Option<Running>, rule: &Rule, changes: &mut Vec<RuleChange>) {
        let Some(Running {
            id,
            rule: before,
            shape,
        }) = running
        else {
            return;
        };
        // Patterns can't be compared, but their debug text shows all that they were made of.
        if format!("{before:?}") != format!("{rule:?}") {
            changes.push(RuleChange::Change(id, Box::new(rule.clone())));
        }
        let rule = rule.clone();
        let running = Running { id, rule, shape };
        self.running.insert(running.rule.name.clone(), running);
    }

    /// A rule that could not be started.
    pub(super) fn remove(&mut self, name: &str) {
        self.running.remove(name);
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Rule> {
        self.running.values().map(|running| &running.rule)
    }

    /// The rules with their numbers, and what makes each another one: text that is the same in all agents.
    pub(super) fn by_id(&self) -> impl Iterator<Item = (RuleId, &Rule, &str)> {
        let all = self.running.values();
        all.map(|running| (running.id, &running.rule, running.shape.as_str()))
    }

    /// The name of a rule.
    pub(super) fn name(&self, id: RuleId) -> Option<&str> {
        let mut all = self.running.iter();
        all.find(|(_, running)| running.id == id)
            .map(|(name, _)| name.as_str())
    }
}

/// What a running mirror can't change of its rule: where it looks and sends, what it samples in the kernel, what it
/// compares, and the names of what it counts.
fn shape(rule: &Rule) -> String {
    let targets = rule.targets.iter();
    let targets: Vec<_> = targets
        .map(|target| {
            (
                &target.destination,
                &target.host,
                target.origin,
                target.role,
            )
        })
        .collect();
    let counted = Policy::new(rule.policy.clone()).map(|policy| policy.rules().to_vec());
    let sampled = &rule.policy.sample_by;
    // What was compared is of the copies as they were rewritten until now.
    let compared = rule.compares().then_some(&rule.policy.rewrite);
    format!(
        "{:?}",
        (
            (&rule.tenant, &rule.source, targets, sampled, counted),
            (&rule.compare, compared)
        )
    )
}

#[cfg(test)]
mod tests {
    use mirror_core::{
        destination::LabelSelector,
        policy::{FilterConfig, PolicyConfig},
    };

    use mirror_kubernetes::plan::{Compare, Scope, Source};

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
                    deny_paths: vec![path.parse().unwrap()],
                    ..FilterConfig::default()
                },
                ..PolicyConfig::default()
            },
            sample_by: None,
            max_rps: None,
            back_off: None,
            targets: vec!["http://v2".parse().unwrap()],
            compare: Compare::default(),
        }
    }

    fn to(rule: &Rule, target: &str) -> Rule {
        Rule {
            targets: vec![target.parse().unwrap()],
            ..rule.clone()
        }
    }

    fn replaced(rules: &mut Rules, by: Vec<Rule>) -> Vec<String> {
        let text = |change| match change {
            RuleChange::Stop(id, name) => format!("stop {} {name}", id.0),
            RuleChange::Start(id, rule) => format!("start {} {}", id.0, rule.name),
            RuleChange::Change(id, rule) => format!("change {} {}", id.0, rule.name),
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

    #[test]
    fn another_share_or_name_goes_on() {
        let mut rules = Rules::default();
        let first = vec![rule("http[0]", "/a"), rule("http[1]", "/b")];
        replaced(&mut rules, first.clone());
        let tuned = vec![to(&first[0], "http://v2,sample=10"), first[1].clone()];
        assert_eq!(replaced(&mut rules, tuned), ["change 1 http[0]"]);

        let capped = Rule {
            max_rps: std::num::NonZeroU32::new(5),
            ..first[1].clone()
        };
        let rules_with_cap = vec![to(&first[0], "http://v2,sample=10"), capped];
        assert_eq!(replaced(&mut rules, rules_with_cap), ["change 2 http[1]"]);
        replaced(&mut rules, first.clone());
        let sends_all = Rule {
            back_off: Some(false),
            ..first[0].clone()
        };
        let expected = ["change 1 http[0]"];
        assert_eq!(
            replaced(&mut rules, vec![sends_all, first[1].clone()]),
            expected
        );
        replaced(&mut rules, first.clone());

        // A route is put before them.
        let named = |name: &str, rule: &Rule| Rule {
            name: name.to_owned(),
            ..rule.clone()
        };
        let moved = vec![
            rule("http[0]", "/new"),
            named("http[1]", &first[0]),
            named("http[2]", &first[1]),
        ];
        assert_eq!(
            replaced(&mut rules, moved),
            ["change 1 http[1]", "change 2 http[2]", "start 3 http[0]"]
        );
        assert_eq!(rules.name(RuleId(1)), Some("http[1]"));

        // What was compared until then is of other targets, paths or copies.
        let compares = Rule {
            compare: Compare {
                v1: true,
                groups: vec!["/a".parse().unwrap()],
            },
            ..to(&rule("compares", "/c"), "http://v2,role=candidate")
        };
        let mut others = Rules::default();
        replaced(&mut others, vec![compares.clone()]);
        let mut regrouped = compares.clone();
        regrouped.compare.groups.clear();
        let mut rewritten = regrouped.clone();
        rewritten.policy.rewrite.reuse = true;
        for (changed, expected) in [
            (regrouped, ["stop 1 compares", "start 2 compares"]),
            (rewritten, ["stop 2 compares", "start 3 compares"]),
        ] {
            assert_eq!(replaced(&mut others, vec![changed]), expected);
        }

        let elsewhere = vec![to(&named("http[1]", &first[0]), "http://v3")];
        let expected = [
            "stop 3 http[0]",
            "stop 1 http[1]",
            "stop 2 http[2]",
            "start 4 http[1]",
        ];
        assert_eq!(replaced(&mut rules, elsewhere), expected);
    }
}
