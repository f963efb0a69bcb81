//! The flags that say which requests are mirrored and what is changed in them.

use clap::Args;
use mirror_core::{
    policy::{
        ForwardedFor, HostRewrite, HostSuffix, MutableField, PathRewrite, PolicyConfig,
        RewriteConfig, SetField,
    },
    value::Host,
    verdict::Conditions,
};

use super::select_args::SelectArgs;

const REWRITES: &str = "Rewrites (of the copy only; v1 sees nothing of them)";

/// Sampling, filters and rewrites: the same for live traffic and for capture files.
#[derive(Args, Clone, Debug)]
pub struct PolicyArgs {
    /// Sampling and filters.
    #[command(flatten)]
    pub select: SelectArgs,

    /// Sets a header: replaces all headers of that name, or adds one.
    ///
    /// Headers that frame the request (Content-Length, Transfer-Encoding, Connection, …) can't be
    /// changed.
    #[arg(long, value_name = "NAME: VALUE", help_heading = REWRITES)]
    pub set_header: Vec<SetField>,

    /// Removes all headers of this name.
    #[arg(long, value_name = "NAME", help_heading = REWRITES)]
    pub remove_header: Vec<MutableField>,

    /// Which values are hidden.
    #[command(flatten)]
    pub redact: RedactArgs,

    /// Sets Host, and the authority of a target in absolute form [default: as sent].
    #[arg(long, value_name = "HOST[:PORT]", help_heading = REWRITES)]
    pub set_host: Option<Host>,

    /// Appends this to the host, before its port: with -shadow, web:80 becomes web-shadow:80.
    #[arg(
        long,
        value_name = "SUFFIX",
        allow_hyphen_values = true,
        conflicts_with = "set_host",
        help_heading = REWRITES
    )]
    pub host_suffix: Option<HostSuffix>,

    /// Changes the path: /FROM=/TO replaces its beginning, ~REGEX=TO the first match.
    ///
    /// TO may refer to groups of the regular expression ($1, ${name}; $$ is a $). Only the first rule
    /// that applies is used; the query stays as it is. FROM ends at the first =.
    #[arg(long, value_name = "FROM=TO", help_heading = REWRITES)]
    pub rewrite_path: Vec<PathRewrite>,

    /// Appends the client's address to X-Forwarded-For, which is added if it is not there.
    #[arg(long, help_heading = REWRITES)]
    pub forwarded_for: bool,

    /// Leaves `close` out of Connection, so that v2's connections are used again [default: as sent].
    ///
    /// It speaks of the client's connection to v1 (RFC 9110 section 7.6.1); passed on, each copy costs v2 and podmirror a new
    /// connection. Copies in HTTP/1.0, and those with Upgrade, are sent as they are.
    #[arg(long, help_heading = REWRITES)]
    pub reuse: bool,
}

/// What is hidden in copies and recordings.
#[derive(Args, Clone, Debug)]
pub struct RedactArgs {
    /// Replaces the values of all headers of this name with "redacted", in trailers as well.
    ///
    /// User information in the request target (http://user:password@host/) is replaced, too.
    #[arg(long, value_name = "NAME", help_heading = REWRITES)]
    pub redact_header: Vec<MutableField>,
}

impl PolicyArgs {
    /// What copies have been through when replies to them are compared.
    pub(super) fn conditions(&self) -> Conditions {
        PolicyConfig::from(self.clone()).rewrite.conditions()
    }
}

impl From<PolicyArgs> for PolicyConfig {
    /// The policy without its targets, which have flags of their own.
    fn from(args: PolicyArgs) -> Self {
        let suffix = args.host_suffix.map(HostRewrite::Append);
        Self {
            rewrite: RewriteConfig {
                set_fields: args.set_header,
                remove_fields: args.remove_header,
                redact_fields: args.redact.redact_header,
                host: args
                    .set_host
                    .map(HostRewrite::Set)
                    .or(suffix)
                    .unwrap_or_default(),
                paths: args.rewrite_path,
                forwarded_for: if args.forwarded_for {
                    ForwardedFor::Append
                } else {
                    ForwardedFor::Keep
                },
                reuse: args.reuse,
            },
            ..args.select.into()
        }
    }
}
