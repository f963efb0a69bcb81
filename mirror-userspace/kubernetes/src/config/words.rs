//! A plan in words, as `podmirror explain` prints it.

use std::fmt;

use mirror_core::{
    destination::{Destination, LabelSelector, Labels, ServiceRef, TargetSpec},
    policy::{ForwardedFor, HostRewrite, RewriteConfig, RouteStep, RouteTable, Verdict},
    verdict::Role,
};

use super::{At, Ignored, Plan};
use crate::plan::{Rule, Scope, Source};

/// Why fields are not acted on, of more than one kind of document.
pub(super) const NOT_IN_THE_PATH: &str = "podmirror does not stand in the path of requests";
pub(super) const AS_RECEIVED: &str = "requests are matched and copied as v1 receives them";
pub(super) const OFF: &str = "0 % switches this mirror off";

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rules.is_empty() {
            writeln!(f, "Nothing is mirrored.")?;
        }
        for (number, rule) in self.rules.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write_rule(rule, f)?;
        }
        for (number, warning) in self.warnings.iter().enumerate() {
            if number == 0 {
                writeln!(f, "\nWarnings:")?;
            }
            writeln!(f, "  {warning}")?;
        }
        for (number, refused) in self.refused.iter().enumerate() {
            if number == 0 {
                writeln!(f, "\nRefused:")?;
            }
            writeln!(f, "  {refused}")?;
        }
        let mut document = None;
        for ignored in &self.ignored {
            if document.is_none() {
                writeln!(f, "\nNot acted on:")?;
            }
            let Ignored { at, why } = ignored;
            let At {
                document: own,
                path,
                ..
            } = at;
            if document != Some(own) {
                writeln!(f, "  {own}")?;
                document = Some(own);
            }
            let colon = if path.is_empty() { "" } else { ": " };
            writeln!(f, "    {path}{colon}{why}")?;
        }
        Ok(())
    }
}

fn write_rule(rule: &Rule, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{}", rule.name)?;
    write!(f, "  copies requests that come to ")?;
    write_source(&rule.source, f)?;
    match &rule.policy.filter.route {
        None => writeln!(f, "  every request")?,
        Some(table) => write_table(table, f)?,
    }
    if let Some(key) = &rule.sample_by {
        writeln!(f, "  sampled by {key}")?;
    }
    write_rewrite(&rule.policy.rewrite, f)?;
    for target in &rule.targets {
        write_target(target, f)?;
    }
    write_compare(rule, f)?;
    if let Some(most) = rule.max_rps {
        writeln!(
            f,
            "  at most {most} per second to each target, from all nodes together"
        )?;
    }
    match rule.back_off {
        None => {}
        Some(true) => writeln!(f, "  fewer to a target while it is overloaded")?,
        Some(false) => writeln!(f, "  no fewer to a target while it is overloaded")?,
    }
    Ok(())
}

/// What is changed in copies.
fn write_rewrite(rewrite: &RewriteConfig, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for field in &rewrite.set_fields {
        writeln!(f, "  with the header {} set", field.name())?;
    }
    for field in &rewrite.remove_fields {
        writeln!(f, "  without the header {}", field.name())?;
    }
    for field in &rewrite.redact_fields {
        writeln!(f, "  with the header {} redacted", field.name())?;
    }
    match &rewrite.host {
        HostRewrite::Keep => {}
        HostRewrite::Set(host) => writeln!(f, "  with the host {host}")?,
        HostRewrite::Append(suffix) => {
            writeln!(f, "  with {} after the host", suffix.as_str())?;
        }
    }
    if !rewrite.paths.is_empty() {
        writeln!(f, "  with other beginnings of paths")?;
    }
    if rewrite.forwarded_for == ForwardedFor::Append {
        writeln!(f, "  with the client in X-Forwarded-For")?;
    }
    Ok(())
}

fn write_source(source: &Source, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match source {
        Source::Service {
            service,
            ports,
            subset,
        } => {
            write_service(service, subset, f)?;
            let listed: Vec<_> = ports.iter().map(u16::to_string).collect();
            match listed.as_slice() {
                [] => writeln!(f, ", every TCP port of the service"),
                [port] => writeln!(f, ", service port {port}"),
                ports => writeln!(f, ", service ports {}", ports.join(", ")),
            }
        }
        Source::Pods {
            scope,
            selector,
            ports,
        } => {
            write_pods(selector, f)?;
            match scope {
                Scope::Namespace(namespace) => write!(f, "of namespace {namespace}")?,
                Scope::All => f.write_str("of all namespaces")?,
            }
            let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
            writeln!(f, ", port {}", ports.join(", "))
        }
    }
}

fn write_pods(selector: &LabelSelector, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if *selector == LabelSelector::default() {
        return f.write_str("all pods ");
    }
    write!(f, "the pods with {selector} ")
}

fn write_service(service: &ServiceRef, subset: &Labels, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "the pods of service {service}")?;
    if subset.is_empty() {
        return Ok(());
    }
    write!(f, " with {}", LabelSelector::of(subset))
}

/// The steps of a table, in order; several ones are numbered, as the first that holds decides.
fn write_table(table: &RouteTable, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let hosts: Vec<_> = table.hosts().iter().map(ToString::to_string).collect();
    if !hosts.is_empty() {
        writeln!(f, "  for host {}", hosts.join(" or "))?;
    }
    match table.steps() {
        [] => writeln!(f, "  no request"),
        [only] => writeln!(f, "  {}", only.requests),
        steps => {
            writeln!(
                f,
                "  the first of these that holds decides, and nothing else is copied:"
            )?;
            for (number, RouteStep { requests, verdict }) in steps.iter().enumerate() {
                let verdict = match verdict {
                    Verdict::Mirror => "copied",
                    Verdict::Leave => "not copied",
                };
                writeln!(f, "    {}. {requests}: {verdict}", number + 1)?;
            }
            Ok(())
        }
    }
}

/// What is compared with what.
fn write_compare(rule: &Rule, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !rule.compares() {
        return Ok(());
    }
    let of = |role| {
        let own = rule.targets.iter().filter(move |it| it.role == Some(role));
        let own: Vec<_> = own.map(|target| target.destination.to_string()).collect();
        own.join(" and ")
    };
    let baseline = match rule.compare.v1 {
        true => "v1's own".to_owned(),
        false => format!("those of {}", of(Role::Baseline)),
    };
    let candidate = of(Role::Candidate);
    writeln!(f, "  compares the replies of {candidate} with {baseline}")?;
    let groups: Vec<_> = rule
        .compare
        .groups
        .iter()
        .map(ToString::to_string)
        .collect();
    if !groups.is_empty() {
        writeln!(f, "  by the paths {}", groups.join(", "))?;
    }
    Ok(())
}

fn write_target(target: &TargetSpec, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match target.sample {
        None => write!(f, "  all of them to ")?,
        Some(rate) => write!(f, "  {rate} of them to ")?,
    }
    match &target.destination {
        Destination::Service {
            service,
            port,
            subset,
        } => {
            write_service(service, subset, f)?;
            match port {
                Some(port) => writeln!(f, ", service port {port}"),
                None => writeln!(f, ", the service's port"),
            }
        }
        Destination::Pods {
            namespace,
            selector,
            port,
        } => {
            write_pods(selector, f)?;
            writeln!(f, "of namespace {namespace}, port {port}")
        }
        other => writeln!(f, "{other}"),
    }
}
