//! `podmirror agent`: mirror the pods of a node, as the cluster's API tells of them.

mod gate_args;
mod guard_args;
mod supervised;
mod tell_args;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, ValueEnum};
use mirror_capture::{Capture, LiveConfig, Netns};
use mirror_core::{
    destination::LabelSelector,
    pipeline::Limits,
    policy::{Policy, PolicyConfig},
};
use mirror_dispatch::DispatchConfig;
use mirror_kubernetes::{
    cluster::{AttachAt, Node, connect},
    config::{self, Terms},
    plan::{Compare, Rule, Scope, Source},
};

use super::{
    UsageError,
    admin_args::AdminArgs,
    capture_args::CaptureArgs,
    content_args::names,
    dispatch_args::{BackOffArg, DispatchArgs},
    documents::DocumentArgs,
    limit_args::LimitArgs,
    place_args::PortArgs,
    policy_args::PolicyArgs,
    report_args::ReportArgs,
    supervise::{self, Signals, supervise},
    terms_args::TermsArgs,
};
use crate::{
    admin::{FLAGS, Listen},
    agent::{Agent, AgentConfig, MirrorConfig, Sharing},
};
use gate_args::GateArgs;
use guard_args::GuardArgs;
use tell_args::TellArgs;

/// The port of the admin server, on all addresses: the kubelet and Prometheus ask from elsewhere.
const ADMIN_PORT: u16 = 9090;

/// Mirror the pods of this Kubernetes node, as they come and go
///
/// Watches the API for the pods that a selector or the cluster's routes name, attaches to those on
/// this node and detaches from those that leave, until SIGINT, SIGTERM or the end of --duration. If the
/// API can't be reached, what is mirrored already goes on. Each rule has its own limits; rings and threads
/// are there from the first pod on this node onwards, and rules share them.
#[derive(Args, Clone, Debug)]
pub struct AgentArgs {
    #[command(flatten)]
    pods: PodArgs,
    #[command(flatten)]
    documents: DocumentArgs,
    /// Also act on the documents in the cluster, as they come, change and go: those of --namespace, or
    /// of all namespaces
    #[arg(long)]
    watch_config: bool,
    /// The same for the documents of this namespace only, whatever --namespace says of pods
    #[arg(long, value_name = "NS", conflicts_with_all = ["watch_config", "all_namespaces"])]
    watch_namespace: Option<String>,
    #[command(flatten)]
    terms: TermsArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    tell: TellArgs,
    #[command(flatten)]
    gate: GateArgs,
    #[command(flatten)]
    capture: CaptureArgs,
    /// Whether rules share rings and threads, or each has its own
    #[arg(
        long,
        value_name = "WHOSE",
        default_value = "shared",
        help_heading = "Capture"
    )]
    rings: RingsArg,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    dispatch: DispatchArgs,
    #[command(flatten)]
    guard: GuardArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

/// What the documents of an agent with these flags may do.
///
/// # Errors
/// No agent of this version has such flags.
pub(super) fn terms_of(flags: &[String]) -> anyhow::Result<Terms> {
    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        agent: AgentArgs,
    }
    // Its node's name it has from its environment.
    let named = flags.iter().any(|flag| flag.starts_with("--node-name"));
    let name = (!named).then(|| "--node-name=any".to_owned());
    let words = std::iter::once("agent".to_owned()).chain(name);
    let Flags { agent } = Flags::try_parse_from(words.chain(flags.iter().cloned()))?;
    Ok(agent.terms.into())
}

/// Whose requests are mirrored.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Pods")]
struct PodArgs {
    /// Mirror the pods with these labels, in kubectl's syntax: app=web,version in (v1,v2),!canary
    #[arg(long, value_name = "SELECTOR", requires = "ports")]
    pod_selector: Option<LabelSelector>,

    /// Namespace of these pods [default: default]
    #[arg(long, value_name = "NAME", conflicts_with = "all_namespaces",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    namespace: Option<String>,

    /// Mirror these pods in all namespaces
    #[arg(long)]
    all_namespaces: bool,

    /// Port of the pods to mirror; up to 16, separated by commas or as repeated flags
    #[arg(long = "port", id = "ports", value_name = "N", requires = "pod_selector",
          value_delimiter = ',', num_args = 1, value_parser = clap::value_parser!(u16).range(1..))]
    ports: Vec<u16>,
}

/// Where the cluster is, and where in it we are.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Cluster")]
struct ClusterArgs {
    /// File that says how to reach the API [default: the pod's service account]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Name of this node; in a pod, spec.nodeName from the downward API
    #[arg(long, value_name = "NAME", env = "NODE_NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    node_name: String,

    /// Where requests are copied: at the pod's own interface, at its peer on the host, or at the pod's
    /// lo (behind a sidecar that terminates mTLS)
    #[arg(long, value_name = "WHERE", default_value = "pod")]
    attach: AttachArg,

    /// Keep what is known of the cluster in this file, mode 0600: an agent that starts within an hour while the
    /// API can't be reached goes on with it [default: not kept]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,

    /// Meet the agent before this one at this unix socket, and take over from it once all is attached: at an update of
    /// the DaemonSet with maxSurge, no request is copied twice if both have this flag [default: off]
    #[arg(long, value_name = "PATH", env = "PODMIRROR_HAND_OVER")]
    hand_over: Option<PathBuf>,

    /// The host's /proc, which shows the processes of all pods
    #[arg(long, value_name = "DIR", default_value = "/proc")]
    proc: PathBuf,

    /// The host's network namespace, for --attach host: a name in /run/netns, a path, or a process ID
    /// [default: that of process 1 in --proc]
    #[arg(long, value_name = "NAME|PATH|PID")]
    host_netns: Option<Netns>,
}

/// The values of `--attach`; see [`AttachAt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AttachArg {
    /// Ingress of the interface that holds the pod's address
    Pod,
    /// Egress of that interface's peer on the host
    Host,
    /// Ingress of the pod's loopback interface
    Lo,
}

impl From<AttachArg> for AttachAt {
    fn from(attach: AttachArg) -> Self {
        match attach {
            AttachArg::Pod => Self::Pod,
            AttachArg::Host => Self::Host,
            AttachArg::Lo => Self::Loopback,
        }
    }
}

/// The values of `--rings`; see [`Sharing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RingsArg {
    /// All rules share them: one without traffic costs no ring and no thread
    Shared,
    /// A flood of one rule's segments leaves the rings of the others alone
    Each,
}

impl From<RingsArg> for Sharing {
    fn from(rings: RingsArg) -> Self {
        match rings {
            RingsArg::Shared => Self::Shared,
            RingsArg::Each => Self::Each,
        }
    }
}

impl AgentArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        supervise::runtime()?.block_on(self.mirror())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn mirror(self) -> anyhow::Result<()> {
        let rules = self.rules()?;
        let documents = self.documents.documents()?;
        // What is wrong with a file is said at once; the agent itself leaves out what is wrong.
        let terms = Terms::from(self.terms.clone());
        config::read(&documents, &terms).map_err(|error| UsageError(error.to_string()))?;
        let mirror = self.mirror_config()?;
        // Whatever was mirrored by an agent that was killed: maybe nothing of it is to be any more.
        Capture::delete_abandoned(&mirror.capture);
        let signals = Signals::listen()?;
        let client = connect(self.cluster.kubeconfig.as_deref()).await?;
        let everywhere = Listen::All(ADMIN_PORT);
        let waits = self.cluster.hand_over.is_some();
        let (_serving, questions) = self.admin.start_agent(everywhere, waits).await?;
        let node_name = self.cluster.node_name.clone();
        let watched = self.watched();
        let config = AgentConfig {
            // There is nothing to tell of flags.
            tell: watched
                .as_ref()
                .and_then(|_| self.tell.config(&client, &node_name, mirror.terms)),
            client,
            node_name: node_name.clone(),
            node: self.cluster.node(),
            mirror,
            rules,
            documents,
            terms,
            watched,
            state: self.cluster.state.clone(),
            gates: self.gate.config().map(|config| (config, self.all_pods())),
            hand_over: self.cluster.hand_over.clone(),
            policy: self.policy.clone().into(),
        };
        let agent = Agent::new(config, questions)?;
        eprintln!("mirroring pods of node {node_name}");
        let ended = supervise(agent, signals, &self.report).await?;
        supervised::finish(ended, self.report.ledger_json.as_deref())
    }

    /// The namespaces whose documents are watched.
    fn watched(&self) -> Option<Scope> {
        let one = self.watch_namespace.clone().map(Scope::Namespace);
        one.or_else(|| self.watch_config.then(|| self.pods.documents_scope()))
    }

    /// The namespaces that mirrored pods may be in.
    fn all_pods(&self) -> Scope {
        match self.watched() {
            Some(watched) if self.pods.pod_selector.is_none() => watched,
            Some(_) => Scope::All,
            None => self.pods.scope(),
        }
    }

    /// The rule that the flags are, if they are one.
    fn rules(&self) -> anyhow::Result<Vec<Rule>> {
        let Some(selector) = &self.pods.pod_selector else {
            let documents = self.watched().is_some() || !self.documents.config.is_empty();
            if documents && self.dispatch.targets.targets.is_empty() {
                return Ok(Vec::new());
            }
            let problem = "--pod-selector is missing: whose requests are to be mirrored? (Or name \
                           --config or --watch-config, without --target.)";
            return Err(UsageError(problem.into()).into());
        };
        let targets = self.dispatch.specs()?;
        let policy = PolicyConfig::from(self.policy.clone());
        Policy::new(policy.clone()).map_err(|error| UsageError(error.to_string()))?;
        let ports = PortArgs {
            ports: self.pods.ports.clone(),
        };
        Ok(vec![Rule {
            name: FLAGS.to_owned(),
            tenant: None,
            source: Source::Pods {
                scope: self.pods.scope(),
                selector: selector.clone(),
                ports: ports.ports()?,
            },
            policy,
            sample_by: None,
            max_rps: None,
            back_off: None,
            targets,
            compare: Compare {
                v1: self.dispatch.compare.compare.is_some(),
                groups: Vec::new(),
            },
        }])
    }

    fn mirror_config(&self) -> anyhow::Result<MirrorConfig> {
        let capture = LiveConfig {
            proc: self.cluster.proc.clone(),
            ..self.capture.config(false)?
        };
        self.admin.check(self.dispatch.targets.targets.len())?;
        let compare = &self.dispatch.compare;
        compare.check(&self.dispatch.targets.targets, capture.reply_head > 0)?;
        let shards = capture.shards as usize;
        let limits = Limits {
            keep_lost: self.admin.keep_lost_of_agent(),
            ..self.limits.for_shard(shards, capture.reply_head > 0)
        };
        let mut dispatch = self.dispatch.for_shard(shards)?;
        dispatch.contents.redacted = names(&self.policy.redact.redact_header);
        Ok(MirrorConfig {
            capture,
            limits,
            dispatch: DispatchConfig {
                guard: self.guard.guard(self.cluster.node()),
                // Of many nodes' traffic nobody looks after each target.
                back_off: self.dispatch.back_off != Some(BackOffArg::Off),
                ..dispatch
            },
            terms: self.dispatch.compare.terms(self.policy.conditions()),
            rooms: self.terms.rooms(),
            sharing: self.rings.into(),
        })
    }
}

impl PodArgs {
    fn scope(&self) -> Scope {
        if self.all_namespaces {
            return Scope::All;
        }
        let named = self.namespace.clone();
        Scope::Namespace(named.unwrap_or_else(|| "default".to_owned()))
    }

    /// Whose documents are meant: unlike pods they say themselves what they are about.
    fn documents_scope(&self) -> Scope {
        self.namespace.clone().map_or(Scope::All, Scope::Namespace)
    }
}

impl ClusterArgs {
    fn node(&self) -> Node {
        let first = || Netns::Path(self.proc.join("1/ns/net"));
        Node {
            host: self.host_netns.clone().unwrap_or_else(first),
            proc: self.proc.clone(),
            attach: self.attach.into(),
        }
    }
}
