//! Flags for what documents may name beyond their own namespaces, and how much each namespace gets.

use clap::Args;
use mirror_kubernetes::config::{Consent, HostGlob, NamespaceOrAll, Quotas, Terms};

use super::value::size;

/// What documents may do.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Documents")]
pub struct TermsArgs {
    /// Documents of these namespaces may have requests of services of any namespace copied; * for
    /// those of all namespaces. Without it that takes a ReferenceGrant in the service's namespace
    #[arg(long, value_name = "NS[,NS]", value_delimiter = ',')]
    watch_cross_namespace: Vec<NamespaceOrAll>,

    /// Documents of any namespace may have copies sent to services of these namespaces; * for all.
    /// Without it that takes a ReferenceGrant in the service's namespace
    #[arg(long, value_name = "NS[,NS]", value_delimiter = ',')]
    allow_target_namespace: Vec<NamespaceOrAll>,

    /// Documents may have copies sent to hosts that are no service of the cluster, and to endpoints
    /// that are no pod, if HOST or HOST:PORT matches; may be given several times
    #[arg(long, value_name = "GLOB")]
    allow_external_target: Vec<HostGlob>,

    /// Mirrors that the documents of one namespace may have, of 256 in all; a rule counts once for
    /// each of its targets
    #[arg(long, value_name = "N", default_value_t = Quotas::default().mirrors)]
    namespace_mirrors: usize,

    /// Memory for the regular expressions in the documents of one namespace, of 32M in all
    #[arg(long, value_name = "SIZE", default_value = "8M", value_parser = size)]
    namespace_patterns: usize,

    /// Interfaces of this node that the mirrors of one namespace's documents are attached to
    #[arg(long, value_name = "N", default_value_t = 128)]
    namespace_attachments: usize,

    /// Memory for all mirrors of documents on a node, half for what each takes without requests, half for connections and copies;
    /// each namespace that mirrors has an equal part, and --max-memory is the most of one mirror
    #[arg(long, value_name = "SIZE", default_value = "224M", value_parser = size)]
    documents_memory: usize,
}

#[cfg(feature = "kubernetes")]
impl TermsArgs {
    /// What the mirrors of documents may take up.
    pub(super) const fn rooms(&self) -> crate::agent::Rooms {
        crate::agent::Rooms {
            memory: self.documents_memory,
            attachments: self.namespace_attachments,
        }
    }
}

impl From<TermsArgs> for Terms {
    fn from(args: TermsArgs) -> Self {
        Self {
            consent: Consent {
                cross_namespaces: args.watch_cross_namespace.into_iter().collect(),
                target_namespaces: args.allow_target_namespace.into_iter().collect(),
                external_targets: args.allow_external_target,
            },
            quotas: Quotas {
                mirrors: args.namespace_mirrors,
                patterns: args.namespace_patterns,
            },
        }
    }
}
