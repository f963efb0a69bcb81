//! Where copies go, and what follows from it for the stages before.

use std::rc::Rc;

use mirror_core::{
    destination::TargetSpec,
    ledger::Names,
    pipeline::{self, Pipeline},
    policy::{Policy, PolicyConfig, PolicyError, TargetPolicy},
    verdict::{Role, Terms},
};
use mirror_dispatch::{DispatchConfig, Dispatcher, SystemResolver};

use super::clock;
use crate::record::{RecordTo, Recorder};

/// Where the copies of a mirror go.
#[derive(Clone, Debug)]
pub enum Sink {
    /// They are sent to these.
    Targets(Targets),
    /// They are written to capture files, once.
    Record(RecordTo),
    /// Nowhere: requests are looked at and counted, those included that no target should get (probes,
    /// upgrades, and what a mirror has sent).
    Look,
}

/// Targets in the order in which they are numbered, at least one.
#[derive(Clone, Debug)]
pub struct Targets(Vec<Target>);

/// One target of a mirror.
#[derive(Clone, Debug)]
pub struct Target {
    /// As it was written.
    pub spec: TargetSpec,
    /// What policy knows of it, at the start.
    pub policy: TargetPolicy,
    /// What the ledger calls it.
    pub name: String,
}

impl Targets {
    /// `None` if there is none.
    ///
    /// A target is called by its destination. Two may share one (with different hosts, say): a number
    /// tells them apart.
    #[must_use]
    pub fn new(specs: impl IntoIterator<Item = TargetSpec>) -> Option<Self> {
        let mut targets: Vec<Target> = Vec::new();
        for spec in specs {
            let destination = spec.destination.to_string();
            let same = targets
                .iter()
                .filter(|known| known.name.split(" #").next() == Some(&destination))
                .count();
            targets.push(Target {
                policy: TargetPolicy::from(&spec),
                name: match same {
                    0 => destination,
                    _ => format!("{destination} #{}", same + 1),
                },
                spec,
            });
        }
        (!targets.is_empty()).then_some(Self(targets))
    }
}

impl Sink {
    /// The targets; none if nothing is sent.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        match self {
            Self::Targets(targets) => &targets.0,
            Self::Record(_) | Self::Look => &[],
        }
    }

    /// Compiles a policy for what goes here, whatever targets `config` has. Where nothing is sent there is one
    /// pretended target.
    ///
    /// # Errors
    /// Two rewrites contradict each other.
    pub fn policy(&self, config: PolicyConfig) -> Result<Policy, PolicyError> {
        let filter = match self {
            Self::Targets(_) | Self::Record(_) => config.filter,
            Self::Look => config.filter.without_guards(),
        };
        let targets = match self {
            Self::Targets(targets) => targets.0.iter().map(|it| it.policy.clone()).collect(),
            Self::Record(_) | Self::Look => vec![TargetPolicy::default()],
        };
        Policy::new(PolicyConfig {
            filter,
            targets,
            ..config
        })
    }

    /// What the ledger calls the rules of `policy`, and the targets; and by which terms they are
    /// compared, if two of them are.
    #[must_use]
    pub fn names(&self, policy: &Policy, dispatch: &DispatchConfig, terms: Terms) -> Names {
        let roles: Vec<_> = self.targets().iter().map(|it| it.spec.role).collect();
        let compares = Role::are_compared(&roles, dispatch.compare_v1);
        Names {
            terms: compares.then_some(terms),
            rules: policy.rules().to_vec(),
            targets: self.targets().iter().map(|it| it.name.clone()).collect(),
        }
    }

    /// A pipeline that puts out what goes here.
    #[must_use]
    pub fn pipeline(
        &self,
        limits: pipeline::Limits,
        policy: Policy,
        dispatch: &DispatchConfig,
    ) -> Pipeline {
        match self {
            Self::Targets(_) => {
                let mut pipeline = Pipeline::new(limits, policy);
                if dispatch.compare_v1 {
                    pipeline.tell_answers();
                    if dispatch.contents.rate.threshold() > 0 {
                        pipeline.tell_replies();
                    }
                }
                if dispatch.proxy_protocol {
                    pipeline.send_proxy_headers();
                }
                pipeline
            }
            Self::Look => Pipeline::observing(limits, policy),
            Self::Record(to) => {
                let mut pipeline = Pipeline::observing(limits, policy);
                pipeline.observe(Box::new(Recorder::new(to.clone())));
                pipeline
            }
        }
    }

    /// What sends the pipeline's copies. To be called inside of the `LocalSet` in which it is used.
    ///
    /// # Errors
    /// Those of [`Dispatcher::new`].
    pub fn dispatcher(&self, config: DispatchConfig) -> anyhow::Result<Dispatcher> {
        let specs = self.targets().iter().map(|target| target.spec.clone());
        Dispatcher::new(config, specs, clock::now, Rc::new(SystemResolver))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(specs: &[&str]) -> Option<Targets> {
        Targets::new(specs.iter().map(|spec| spec.parse().unwrap()))
    }

    #[test]
    fn targets_of_one_destination_are_told_apart_by_number() {
        assert!(targets(&[]).is_none());
        let sink = Sink::Targets(
            targets(&[
                "http://v2",
                "http://v3",
                "http://v2,host=a",
                "http://v2,sample=50%",
            ])
            .unwrap(),
        );
        let policy = sink.policy(PolicyConfig::default()).unwrap();
        let names = sink.names(&policy, &DispatchConfig::default(), Terms::default());
        assert_eq!(
            names.targets,
            ["http://v2", "http://v3", "http://v2 #2", "http://v2 #3"]
        );
        assert_eq!(policy.targets(), 4);
        assert_eq!(policy.rate(3), "50%".parse().unwrap());
    }

    #[test]
    fn where_nothing_is_sent_one_target_is_pretended_and_has_no_name() {
        let policy = Sink::Look.policy(PolicyConfig::default()).unwrap();
        assert_eq!(policy.targets(), 1);
        assert_eq!(
            Sink::Look
                .names(&policy, &DispatchConfig::default(), Terms::default())
                .targets,
            [""; 0]
        );
        assert!(Sink::Look.targets().is_empty());
    }
}
