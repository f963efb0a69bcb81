//! A document's policy beside that of the operator's flags, which hold for every document.
//!
//! Both filters hold. Of two changes of one header that of the document does; either way the value that the
//! client sent is hidden, so that what the operator redacts or removes never comes to a target.

use mirror_core::policy::{
    FieldName, FilterConfig, ForwardedFor, HostRewrite, MutableField, PolicyConfig, RewriteConfig,
    RouteTable, SetField,
};

use crate::plan::Rule;

const FORWARDED_FOR: &[u8] = b"x-forwarded-for";

/// What holds for a rule that a document asks for.
pub(super) fn policy_of(rule: &Rule, flags: &PolicyConfig) -> PolicyConfig {
    let own = &rule.policy;
    PolicyConfig {
        sample_by: rule.sample_by.clone().unwrap_or(flags.sample_by.clone()),
        filter: FilterConfig {
            // Always one: so what is counted stays the same when other routes come before this one.
            route: Some(
                own.filter
                    .route
                    .clone()
                    .unwrap_or_else(RouteTable::everything),
            ),
            ..flags.filter.clone()
        },
        rewrite: merged(&own.rewrite, &flags.rewrite),
        ..flags.clone()
    }
}

fn merged(own: &RewriteConfig, flags: &RewriteConfig) -> RewriteConfig {
    let set = own.set_fields.iter().map(SetField::name);
    let removed = own.remove_fields.iter().chain(&own.redact_fields);
    let changed: Vec<&FieldName> = set.chain(removed.map(MutableField::name)).collect();
    let appends = own.forwarded_for == ForwardedFor::Append;
    let is_left = |name: &FieldName| {
        let replaced = appends && name.matches(FORWARDED_FOR);
        !replaced && !changed.contains(&name)
    };
    let hides = |field: &&MutableField| field.name().matches(FORWARDED_FOR);
    // Who the operator hides does not come back by the document's wish to name him.
    let hidden = flags.redact_fields.iter().find(hides);
    let fields = |own: &[MutableField], flags: &[MutableField]| {
        let left = flags.iter().filter(|field| is_left(field.name()));
        own.iter().chain(left).cloned().collect()
    };
    let mut redact_fields: Vec<_> = fields(&own.redact_fields, &flags.redact_fields);
    let mut forwarded_for = own.forwarded_for;
    if let Some(hidden) = hidden.filter(|_| appends) {
        forwarded_for = ForwardedFor::Keep;
        redact_fields.push(hidden.clone());
    } else if !changed.iter().any(|name| name.matches(FORWARDED_FOR))
        && flags.forwarded_for == ForwardedFor::Append
    {
        forwarded_for = ForwardedFor::Append;
    }
    let set = flags.set_fields.iter().filter(|it| is_left(it.name()));
    RewriteConfig {
        set_fields: own.set_fields.iter().chain(set).cloned().collect(),
        remove_fields: fields(&own.remove_fields, &flags.remove_fields),
        redact_fields,
        host: match &own.host {
            HostRewrite::Keep => flags.host.clone(),
            host => host.clone(),
        },
        paths: own.paths.iter().chain(&flags.paths).cloned().collect(),
        forwarded_for,
        reuse: own.reuse || flags.reuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(set: &[&str], remove: &[&str], redact: &[&str]) -> RewriteConfig {
        let fields = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        RewriteConfig {
            set_fields: set.iter().map(|set| set.parse().unwrap()).collect(),
            remove_fields: fields(remove),
            redact_fields: fields(redact),
            ..RewriteConfig::default()
        }
    }

    /// What happens to each header, and that it is no contradiction.
    fn outcome(own: &RewriteConfig, flags: &RewriteConfig) -> String {
        let merged = merged(own, flags);
        let policy = PolicyConfig {
            rewrite: merged.clone(),
            ..PolicyConfig::default()
        };
        mirror_core::policy::Policy::new(policy).unwrap();
        let set = merged.set_fields.iter();
        let set = set.map(|set| format!("{}={}", set.name(), set.value()));
        let remove = merged.remove_fields.iter();
        let remove = remove.map(|field| format!("-{}", field.name()));
        let redact = merged.redact_fields.iter();
        let redact = redact.map(|field| format!("?{}", field.name()));
        let append = (merged.forwarded_for == ForwardedFor::Append).then(|| "+".to_owned());
        let all: Vec<_> = set.chain(remove).chain(redact).chain(append).collect();
        all.join(" ")
    }

    #[test]
    fn what_the_operator_hides_stays_hidden() {
        let hides = headers(&[], &["cookie"], &["authorization"]);
        let none = RewriteConfig::default();
        assert_eq!(outcome(&none, &hides), "-cookie ?authorization");
        let own = headers(&["Authorization: test"], &[], &["Cookie", "x-a"]);
        assert_eq!(outcome(&own, &hides), "Authorization=test ?Cookie ?x-a");
        let hides = headers(&[], &[], &["X-Forwarded-For"]);
        let names = RewriteConfig {
            forwarded_for: ForwardedFor::Append,
            ..RewriteConfig::default()
        };
        assert_eq!(outcome(&names, &hides), "?X-Forwarded-For");
    }

    #[test]
    fn the_documents_change_of_a_header_holds() {
        let flags = RewriteConfig {
            forwarded_for: ForwardedFor::Append,
            host: HostRewrite::Set("flags".parse().unwrap()),
            paths: vec!["/a=/flags".parse().unwrap()],
            ..headers(&["x-a: flags", "x-b: flags"], &[], &[])
        };
        let own = RewriteConfig {
            host: HostRewrite::Set("own".parse().unwrap()),
            paths: vec!["/a=/own".parse().unwrap()],
            ..headers(&["X-A: own", "X-Forwarded-For: own"], &[], &[])
        };
        assert_eq!(
            outcome(&own, &flags),
            "X-A=own X-Forwarded-For=own x-b=flags"
        );
        let both = merged(&own, &flags);
        assert_eq!(both.host, own.host);
        assert_eq!(both.paths.len(), 2);
        let neither = merged(&RewriteConfig::default(), &flags);
        assert_eq!(neither.host, flags.host);
        assert_eq!(neither.forwarded_for, ForwardedFor::Append);
        let names = RewriteConfig {
            forwarded_for: ForwardedFor::Append,
            ..RewriteConfig::default()
        };
        let sets = headers(&["x-forwarded-for: flags"], &[], &[]);
        assert_eq!(outcome(&names, &sets), "+");
    }
}
