//! What `/metrics` shows, as its owner sees it at one moment.

use mirror_core::{
    counters::TargetCounters,
    ledger::{Counted, Ledger, Names},
    value::Rate,
};
use mirror_runtime::{Daemon, DaemonConfig};

/// The name of the rule that the flags are.
pub const FLAGS: &str = "flags";

/// Everything that `/metrics` shows.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The mirrors, each with a name of its own.
    pub mirrors: Vec<ShownMirror>,
    /// The names of the rules that are stopped, and not among `mirrors`, because a part of their mirror
    /// panicked.
    pub rules_stopped: Vec<String>,
    /// The pods of this node that a rule selects. Without a cluster there are none.
    pub pods: Vec<ShownPod>,
    /// What is watched in the cluster, each kind once.
    pub watches: Vec<ShownWatch>,
    /// Documents of which something is refused.
    pub documents_refused: Vec<DocumentsRefused>,
    /// Records read from rings that were no rule's so far.
    pub unclaimed_records: u64,
}

/// The state of one rule's mirror.
#[derive(Clone, Debug)]
pub struct ShownMirror {
    /// The rule's name ([`Rule::name`](mirror_kubernetes::plan::Rule)): `flags`, `HTTPRoute default/web rules[0]`.
    pub rule: String,
    /// What each target gets a sample of now, in the order of `names.targets`.
    pub rates: Vec<Rate>,
    /// Copies per second that each target gets from here at most, if that is limited.
    pub cap: Option<f64>,
    /// What it has counted so far, attachments that are gone included: a counter never goes back.
    pub counted: Counted,
    /// What its filters and targets are called.
    pub names: Names,
    /// Interfaces that it is attached to.
    pub attachments: u64,
}

impl ShownMirror {
    /// Its books, without what was in replies: that is nothing for everyone who can connect.
    pub(super) fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::new(&self.counted, &self.names);
        if let Some(report) = &mut ledger.verdict {
            report.differences.clear();
        }
        ledger
    }

    /// The mirror that `daemon` is, under this name.
    ///
    /// # Errors
    /// Its counters can't be read.
    pub async fn of(rule: String, daemon: &Daemon) -> anyhow::Result<Self> {
        Ok(Self {
            counted: daemon.counted().await?,
            attachments: daemon.attachments()?.len() as u64,
            ..Self::idle(rule, daemon.config())
        })
    }

    /// The mirror whose daemon is yet to be started, with this configuration: all is zero.
    #[must_use]
    pub fn idle(rule: String, config: &DaemonConfig) -> Self {
        let names = config.names();
        Self {
            rule,
            rates: config.sample_rates(),
            cap: config.cap(),
            counted: Counted {
                targets: vec![TargetCounters::default(); names.targets.len()],
                ..Counted::default()
            },
            names,
            attachments: 0,
        }
    }
}

/// What one target of a rule gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleRate {
    /// The rule's name.
    pub rule: String,
    /// The target's, as in [`Names`].
    pub target: String,
    /// Its share of the requests.
    pub rate: Rate,
}

impl SampleRate {
    /// Those of the targets of the mirror with this configuration, under this name.
    pub fn of<'a>(rule: &'a str, config: &'a DaemonConfig) -> impl Iterator<Item = Self> + 'a {
        let rates = config.sink.targets().iter().zip(config.sample_rates());
        rates.map(move |(target, rate)| Self {
            rule: rule.to_owned(),
            target: target.name.clone(),
            rate,
        })
    }
}

/// A pod that a rule selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownPod {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The rule that selects it.
    pub rule: String,
    /// How far it is.
    pub state: PodState,
}

/// How far a selected pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodState {
    /// Its requests are mirrored.
    Attached,
    /// It does not run yet, or its network namespace is being looked for.
    Waiting,
    /// It runs, and the attach failed; it is tried again.
    Failed,
    /// It has the host's network, and is not mirrored.
    HostNetwork,
}

impl PodState {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [
        Self::Attached,
        Self::Waiting,
        Self::Failed,
        Self::HostNetwork,
    ];

    /// Its name as a label's value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::HostNetwork => "host_network",
        }
    }
}

/// The documents of one namespace of which something is refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentsRefused {
    /// Their namespace; empty for those that do not say.
    pub namespace: String,
    /// The reason: `source`, `target`, `external`, `quota`, `size` or `invalid`.
    pub reason: &'static str,
    /// How many there are.
    pub count: u64,
}

/// One kind of object that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownWatch {
    /// Its kind in the plural: `pods`, `endpointslices`.
    pub kind: String,
    /// Whether the last thing heard was no error.
    pub healthy: bool,
    /// How often it broke so far.
    pub errors: u64,
}
