//! The flags that say which requests are mirrored and what is changed in them.

use clap::Args;

use crate::policy::{
    FieldPattern, FilterConfig, ForwardedFor, Handling, Host, HostRewrite, HostSuffix, Method,
    MutableField, PathPattern, PathRewrite, PolicyConfig, Rate, RewriteConfig, SampleBy, SetField,
};

const SAMPLING: &str = "Sampling";
const FILTERS: &str = "Filters (deny wins; of each kind of --allow one must match)";
const REWRITES: &str = "Rewrites (of the copy only; v1 sees nothing of them)";

/// Sampling, filters and rewrites: the same for live traffic and for capture files.
#[derive(Args, Clone, Debug)]
pub struct PolicyArgs {
    /// Mirrors this share: 25, 25%, 0.5% or 1/3; 0 mirrors nothing.
    ///
    /// The choice is consistent (the same key is always in or always out) and nested (a lower
    /// rate selects a part of what a higher one does).
    #[arg(
        long,
        value_name = "RATE",
        default_value = "100%",
        allow_negative_numbers = true,
        help_heading = SAMPLING
    )]
    pub sample_rate: Rate,

    /// What is in or out as a whole: connection, client-ip, request or header:NAME.
    ///
    /// The first two are decided in the kernel, and what is not sampled costs no copy. The other
    /// two are decided on each request. Requests without the header NAME are in or out together.
    #[arg(
        long,
        value_name = "KEY",
        default_value = "connection",
        help_heading = SAMPLING
    )]
    pub sample_by: SampleBy,

    /// Mirrors only requests with these methods, such as GET,HEAD (case counts).
    #[arg(long, value_name = "METHOD", value_delimiter = ',', help_heading = FILTERS)]
    pub allow_method: Vec<Method>,

    /// Does not mirror requests with these methods, such as POST,PUT (case counts).
    #[arg(long, value_name = "METHOD", value_delimiter = ',', help_heading = FILTERS)]
    pub deny_method: Vec<Method>,

    /// Mirrors only requests whose path matches: a glob such as /api/*, or ~REGEX.
    ///
    /// In a glob * stands for any bytes, / included, ? for one byte, [a-z] for a set, {a,b} for
    /// either, and \ quotes; it must match the whole path. A regular expression (Rust regex
    /// syntax) may match anywhere, so anchor it with ^ and $. The path is compared as sent,
    /// nothing decoded, without the query.
    #[arg(long, value_name = "PATTERN", help_heading = FILTERS)]
    pub allow_path: Vec<PathPattern>,

    /// Does not mirror requests whose path matches; patterns as in --allow-path.
    #[arg(long, value_name = "PATTERN", help_heading = FILTERS)]
    pub deny_path: Vec<PathPattern>,

    /// Mirrors only requests with this header: NAME, NAME=GLOB or NAME~REGEX.
    ///
    /// The name's case does not count, the value's does. Of several lines of the same name one
    /// must match.
    #[arg(long, value_name = "CONDITION", help_heading = FILTERS)]
    pub allow_header: Vec<FieldPattern>,

    /// Does not mirror requests with this header: NAME, NAME=GLOB or NAME~REGEX.
    #[arg(long, value_name = "CONDITION", help_heading = FILTERS)]
    pub deny_header: Vec<FieldPattern>,

    /// Mirrors Kubernetes probes (User-Agent: kube-probe/…), too [default: skipped].
    #[arg(long, help_heading = FILTERS)]
    pub mirror_kube_probes: bool,

    /// Mirrors Upgrade and CONNECT requests, too [default: skipped].
    ///
    /// Only the request is sent: what follows on the upgraded connection is not HTTP/1 any more.
    #[arg(long, help_heading = FILTERS)]
    pub mirror_upgrades: bool,

    /// Sets a header: replaces all of that name, or adds it.
    ///
    /// Headers that frame the request (Content-Length, Transfer-Encoding, Connection, …) cannot be
    /// changed.
    #[arg(long, value_name = "NAME: VALUE", help_heading = REWRITES)]
    pub set_header: Vec<SetField>,

    /// Removes all headers of this name.
    #[arg(long, value_name = "NAME", help_heading = REWRITES)]
    pub remove_header: Vec<MutableField>,

    /// Replaces the value of all headers of this name by "redacted".
    #[arg(long, value_name = "NAME", help_heading = REWRITES)]
    pub redact_header: Vec<MutableField>,

    /// Sets Host, and the authority of an absolute-form target with it [default: as sent].
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

    /// Changes the path: /FROM=/TO for its start, ~REGEX=TO for the first match.
    ///
    /// TO may name groups of the regular expression ($1, ${name}; $$ is a $). The first rule that
    /// applies counts; the query stays. FROM ends at the first =.
    #[arg(long, value_name = "FROM=TO", help_heading = REWRITES)]
    pub rewrite_path: Vec<PathRewrite>,

    /// Appends the client's address to X-Forwarded-For, or adds it.
    #[arg(long, help_heading = REWRITES)]
    pub forwarded_for: bool,
}

impl From<PolicyArgs> for PolicyConfig {
    /// The policy without its targets, which have flags of their own.
    fn from(args: PolicyArgs) -> Self {
        let handling = |mirror| {
            if mirror {
                Handling::Mirror
            } else {
                Handling::Skip
            }
        };
        let suffix = args.host_suffix.map(HostRewrite::Append);
        Self {
            sample_rate: args.sample_rate,
            sample_by: args.sample_by,
            filter: FilterConfig {
                allow_methods: args.allow_method,
                deny_methods: args.deny_method,
                allow_paths: args.allow_path,
                deny_paths: args.deny_path,
                allow_fields: args.allow_header,
                deny_fields: args.deny_header,
                kube_probes: handling(args.mirror_kube_probes),
                upgrades: handling(args.mirror_upgrades),
                loops: Handling::Skip,
            },
            rewrite: RewriteConfig {
                set_fields: args.set_header,
                remove_fields: args.remove_header,
                redact_fields: args.redact_header,
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
            },
            targets: Vec::new(),
        }
    }
}
