//! Which requests are mirrored at all, whatever the target.
//!
//! Every reason to skip a request is a rule with a name of its own in the ledger. The names come from the
//! configuration, so their number does not depend on the traffic. The guards are tried first, then the
//! route, then what is denied, then what is allowed: deny wins.

use std::{cell::OnceCell, fmt, str::FromStr};

use super::{
    FilterRuleId,
    field::{MIRROR_NAME, MIRRORED_BY, is_token},
    pattern::{FieldPattern, PathPattern},
    request_target::TargetParts,
    route::RouteTable,
    spelling,
};
use crate::http::{RequestHead, Upgrade};
use crate::value::BadValue;

/// The rules, as configured. The default mirrors everything but probes, upgrades and loops.
#[derive(Clone, Debug, Default)]
pub struct FilterConfig {
    /// If there is one, only requests that belong to this route of a configuration document are
    /// mirrored.
    pub route: Option<RouteTable>,
    /// If there are any, only these methods are mirrored.
    pub allow_methods: Vec<Method>,
    /// These methods are not mirrored.
    pub deny_methods: Vec<Method>,
    /// If there are any, only requests whose path matches one are mirrored.
    pub allow_paths: Vec<PathPattern>,
    /// Requests whose path matches one are not mirrored, whether as sent or as a server may take it: with
    /// percent-encoding decoded, slashes merged and dot segments removed.
    pub deny_paths: Vec<PathPattern>,
    /// If there are any, only requests with a field line that matches one are mirrored.
    pub allow_fields: Vec<FieldPattern>,
    /// Requests with a field line that matches one are not mirrored.
    pub deny_fields: Vec<FieldPattern>,
    /// Kubernetes probes, those of gRPC too, known by their `User-Agent: kube-probe/…`. The kubelet probes v2 itself.
    pub kube_probes: Handling,
    /// Requests that ask to leave HTTP/1 (Upgrade, CONNECT): v2 would be left with a connection on which
    /// nobody speaks. An offer of h2c is left out of the copy instead, since the request stays what it is.
    pub upgrades: Handling,
    /// Requests that a mirror has sent: mirrored again, they could loop for ever.
    pub loops: Handling,
    /// Requests of connections that a target opened
    /// ([`Policy::set_target_addresses`](super::Policy::set_target_addresses)): what a target asks v1 while it
    /// answers a copy would be mirrored to it, and make it ask again.
    pub from_targets: Handling,
}

impl FilterConfig {
    /// The same rules without the guards that only protect targets: probes, upgrades, loops and what
    /// targets send pass.
    #[must_use]
    pub fn without_guards(self) -> Self {
        Self {
            kube_probes: Handling::Mirror,
            upgrades: Handling::Mirror,
            loops: Handling::Mirror,
            from_targets: Handling::Mirror,
            ..self
        }
    }
}

/// What is done with requests of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handling {
    /// Such requests are counted, not mirrored.
    #[default]
    Skip,
    /// Such requests are mirrored like any other.
    Mirror,
}

/// A request method. Case counts (RFC 9110 section 9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method(String);

impl FromStr for Method {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if is_token(text) {
            return Ok(Self(text.to_owned()));
        }
        let accepted = "a method such as GET, as the request line has it";
        Err(BadValue::new(text, "is no request method", accepted))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The compiled rules, in the order in which they are tried.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    rules: Vec<Rule>,
    names: Vec<String>,
}

#[derive(Clone, Debug)]
enum Rule {
    Loop,
    /// It is for the connection's client to break.
    FromTarget,
    Upgrade,
    KubeProbe,
    OtherRoute(RouteTable),
    Deny(Condition),
    /// At least one must hold; they are of one kind.
    AllowOneOf(Vec<Condition>),
}

#[derive(Clone, Debug)]
enum Condition {
    Method(Method),
    Path(PathPattern),
    Field(FieldPattern),
}

impl Filter {
    pub(super) fn new(config: FilterConfig) -> Self {
        let mut filter = Self {
            rules: Vec::new(),
            names: Vec::new(),
        };
        if config.loops == Handling::Skip {
            filter.push("loop".to_owned(), Rule::Loop);
        }
        if config.from_targets == Handling::Skip {
            filter.push("from-target".to_owned(), Rule::FromTarget);
        }
        if config.upgrades == Handling::Skip {
            filter.push("upgrade".to_owned(), Rule::Upgrade);
        }
        if config.kube_probes == Handling::Skip {
            filter.push("kube-probe".to_owned(), Rule::KubeProbe);
        }
        if let Some(route) = config.route {
            filter.push("other-route".to_owned(), Rule::OtherRoute(route));
        }
        filter.deny("deny-method", config.deny_methods, Condition::Method);
        filter.deny("deny-path", config.deny_paths, Condition::Path);
        filter.deny("deny-header", config.deny_fields, Condition::Field);
        filter.allow("allow-method", config.allow_methods, Condition::Method);
        filter.allow("allow-path", config.allow_paths, Condition::Path);
        filter.allow("allow-header", config.allow_fields, Condition::Field);
        filter
    }

    fn deny<T: fmt::Display>(&mut self, kind: &str, values: Vec<T>, of: fn(T) -> Condition) {
        for value in values {
            self.push(format!("{kind} {value}"), Rule::Deny(of(value)));
        }
    }

    fn allow<T>(&mut self, kind: &str, values: Vec<T>, of: fn(T) -> Condition) {
        if !values.is_empty() {
            let conditions = values.into_iter().map(of).collect();
            self.push(kind.to_owned(), Rule::AllowOneOf(conditions));
        }
    }

    /// Adds a rule, unless it is there already: it could never be the first to apply.
    fn push(&mut self, name: String, rule: Rule) {
        if !self.names.contains(&name) {
            self.names.push(name);
            self.rules.push(rule);
        }
    }

    /// The rules' names, by [`FilterRuleId`].
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The rule against clients that are targets, if there is one.
    pub(super) fn against_targets(&self) -> Option<FilterRuleId> {
        let mut rules = self.rules.iter();
        let place = rules.position(|rule| matches!(rule, Rule::FromTarget));
        place.map(FilterRuleId)
    }

    /// The first rule that keeps this request from being mirrored.
    pub(super) fn refuses(&self, head: RequestHead<'_>) -> Option<FilterRuleId> {
        let path = Path {
            sent: TargetParts::of_head(head).path(head.target()),
            others: OnceCell::new(),
        };
        self.rules
            .iter()
            .position(|rule| rule.refuses(head, &path))
            .map(FilterRuleId)
    }
}

/// The path of a request.
struct Path<'a> {
    /// As it was sent.
    sent: &'a [u8],
    /// What servers may take it for.
    others: OnceCell<Vec<Vec<u8>>>,
}

impl Path<'_> {
    fn others(&self) -> &[Vec<u8>] {
        self.others.get_or_init(|| spelling::others(self.sent))
    }
}

impl Rule {
    fn refuses(&self, head: RequestHead<'_>, path: &Path<'_>) -> bool {
        match self {
            Self::Loop => head.any_value(MIRRORED_BY, |value| {
                memchr::memmem::find(value, MIRROR_NAME.as_bytes()).is_some()
            }),
            Self::FromTarget => false,
            // Without the offer, which the copy leaves out, a request like any other.
            Self::Upgrade => !matches!(head.upgrade(), None | Some(Upgrade::H2c)),
            Self::KubeProbe => {
                head.any_value("user-agent", |value| value.starts_with(b"kube-probe/"))
            }
            Self::OtherRoute(route) => !route.mirrors(head),
            Self::Deny(Condition::Path(pattern)) => {
                pattern.is_match(path.sent)
                    || path.others().iter().any(|path| pattern.is_match(path))
            }
            Self::Deny(condition) => condition.holds(head, path),
            Self::AllowOneOf(conditions) => !conditions
                .iter()
                .any(|condition| condition.holds(head, path)),
        }
    }
}

impl Condition {
    fn holds(&self, head: RequestHead<'_>, path: &Path<'_>) -> bool {
        match self {
            Self::Method(method) => head.method() == method.0.as_bytes(),
            Self::Path(pattern) => pattern.is_match(path.sent),
            Self::Field(pattern) => {
                let name = pattern.name().as_str();
                head.any_value(name, |value| pattern.is_match(value))
                    || head
                        .whole_cookie(name)
                        .is_some_and(|cookie| pattern.is_match(&cookie))
            }
        }
    }
}

#[cfg(test)]
mod tests;
