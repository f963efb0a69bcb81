//! Who named a target, and thereby how far it is trusted.

/// Who named a target.
///
/// The mirror connects from where it runs, which on a node is a place that a tenant cannot reach by
/// himself: its own loopback, the node's services, the cloud's metadata server. The operator may
/// send copies there; a document of the cluster may not, whoever wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The mirror's own flags: every address is allowed.
    #[default]
    Operator,
    /// A document of the cluster's API: every address is checked before it is connected to.
    Document,
}
