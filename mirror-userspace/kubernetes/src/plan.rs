//! What is mirrored from where to where: the common form of flags and documents.

use std::num::NonZeroU32;

use mirror_core::{
    destination::{LabelSelector, Labels, ServiceRef, TargetSpec},
    policy::{PathPattern, PolicyConfig, SampleBy},
    verdict::Role,
};

/// One rule: the requests of these pods go to these targets.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name for people, unique in a plan: `flags`, `VirtualService default/web http[0]`.
    pub name: String,
    /// The namespace of the document that it is of; `None` for that of the flags.
    pub tenant: Option<String>,
    /// The pods whose requests are mirrored.
    pub source: Source,
    /// Which of their requests, and what is changed. Its `targets` stay empty: they are made from `targets`.
    pub policy: PolicyConfig,
    /// What is sampled as a whole, if the rule says so itself: it overrides that of `policy`.
    pub sample_by: Option<SampleBy>,
    /// Copies per second for each target, at most, from all nodes together; `None`: as many as the flags allow.
    pub max_rps: Option<NonZeroU32>,
    /// Whether targets that are overloaded get less; `None`: as the flags say.
    pub back_off: Option<bool>,
    /// Where copies go, at least one.
    pub targets: Vec<TargetSpec>,
    /// How those with a role are compared.
    pub compare: Compare,
}

/// How the targets of a rule are compared that have a role.
#[derive(Clone, Debug, Default)]
pub struct Compare {
    /// Whether v1 itself is the baseline.
    pub v1: bool,
    /// By which paths requests are grouped; without any, as the flags say.
    pub groups: Vec<PathPattern>,
}

impl Compare {
    /// Whether any of these targets are compared.
    #[must_use]
    pub fn holds_for(&self, targets: &[TargetSpec]) -> bool {
        let roles: Vec<_> = targets.iter().map(|target| target.role).collect();
        Role::are_compared(&roles, self.v1)
    }
}

impl Rule {
    /// The title of the document that it is of, `VirtualService default/web`, which its name begins with.
    #[must_use]
    pub fn document(&self) -> Option<&str> {
        self.tenant.as_ref()?;
        let spaces = self.name.match_indices(' ').map(|(at, _)| at);
        let end = spaces.take(2).nth(1).unwrap_or(self.name.len());
        self.name.get(..end)
    }

    /// Whether its targets are compared.
    #[must_use]
    pub fn compares(&self) -> bool {
        self.compare.holds_for(&self.targets)
    }

    /// Whether it asks for a comparison.
    #[must_use]
    pub fn asks_to_compare(&self) -> bool {
        self.compare.v1 || self.targets.iter().any(|target| target.role.is_some())
    }
}

/// The pods whose requests are mirrored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Pods selected by their labels.
    Pods {
        /// The namespaces that the pods are in.
        scope: Scope,
        /// Selects among the pods of those namespaces.
        selector: LabelSelector,
        /// The ports they serve at, 1 to 16.
        ports: Vec<u16>,
    },
    /// The pods that a service selects.
    Service {
        /// The service whose pods are mirrored.
        service: ServiceRef,
        /// Those of its ports that are meant, at most 16; empty: all of its TCP ports.
        ports: Vec<u16>,
        /// Only those of its pods that also have these labels (an Istio subset); empty: all.
        subset: Labels,
    },
}

impl Source {
    /// The service whose pods it is, and which of them, if it is one's.
    #[cfg(feature = "cluster")]
    pub(crate) const fn service(&self) -> Option<(&ServiceRef, &Labels)> {
        match self {
            Self::Service {
                service, subset, ..
            } => Some((service, subset)),
            Self::Pods { .. } => None,
        }
    }
}

/// Which namespaces are looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The namespace of this name.
    Namespace(String),
    /// All namespaces of the cluster.
    All,
}
