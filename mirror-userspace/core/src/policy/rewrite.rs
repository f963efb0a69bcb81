//! The head that a target receives: the client's bytes with the configured changes, and a mark.
//!
//! Only what is named is changed. Everything else stays byte for byte: order, case, duplicates and
//! spacing of the field lines, the spelling of the target. Nothing here can change where the
//! message ends: [`MutableField`] keeps framing out of reach.

mod http2;

pub(super) use http2::{copy, with};

use std::ops::Range;

use bytes::BytesMut;

use super::{
    connection,
    field::{FieldName, MIRROR_NAME, MIRRORED_BY, MutableField, SetField},
    field_rules::{Action, FORWARDED_FOR, FieldRule, PolicyError, REDACTED, field_rules},
    host::{HostChange, HostRewrite},
    offer,
    path_rewrite::PathRewrite,
    request_target::TargetParts,
    splice::Splice,
};
use crate::{
    http::{Head, RequestHead, Upgrade},
    segment::Endpoint,
    value::Host,
    verdict::Conditions,
};

/// The longest line of ours that names the client: its name, an IPv6 address, a CRLF.
const FORWARDED_LINE: usize = 64;

/// The changes of the mirrored head, as configured. The default adds the mark and nothing else.
#[derive(Clone, Debug, Default)]
pub struct RewriteConfig {
    /// Each replaces all lines of its name by one, where the first stood, or is added.
    pub set_fields: Vec<SetField>,
    /// All lines of these names are left out.
    pub remove_fields: Vec<MutableField>,
    /// All lines of these names, in trailers as well, keep their place and lose their value. If there are any, the
    /// user information of an absolute-form target loses its, too.
    pub redact_fields: Vec<MutableField>,
    /// `Host`, and with it the authority of an absolute-form target.
    pub host: HostRewrite,
    /// The first that applies changes the path.
    pub paths: Vec<PathRewrite>,
    /// Whether v2 learns who asked.
    pub forwarded_for: ForwardedFor,
    /// Whether copies in HTTP/1.1 are without `Connection: close`, which speaks of the client's connection to v1 (RFC 9110
    /// section 7.6.1), so that those to targets are used again. Default: no.
    pub reuse: bool,
}

impl RewriteConfig {
    /// What copies have been through, for a comparison of the replies to them.
    #[must_use]
    pub fn conditions(&self) -> Conditions {
        let Self {
            set_fields,
            remove_fields,
            redact_fields,
            host,
            paths,
            forwarded_for,
            reuse,
        } = self;
        Conditions {
            rewritten: !set_fields.is_empty()
                || !remove_fields.is_empty()
                || !paths.is_empty()
                || !matches!(host, HostRewrite::Keep)
                || *forwarded_for == ForwardedFor::Append
                || *reuse,
            redacted: !redact_fields.is_empty(),
        }
    }
}

/// What becomes of `X-Forwarded-For`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedFor {
    /// `X-Forwarded-For` stays as the client sent it.
    #[default]
    Keep,
    /// The client's address is appended to its last line, or to a line of its own.
    Append,
}

/// The rewrites of a policy, compiled.
#[derive(Clone, Debug)]
pub(super) struct Rewriter {
    rules: Vec<FieldRule>,
    host: HostRewrite,
    paths: Vec<PathRewrite>,
    forwarded_for: ForwardedFor,
    reuse: bool,
    /// Whether offers of HTTP/2 are left out.
    drops_h2c: bool,
}

impl Rewriter {
    pub(super) fn new(config: RewriteConfig, drops_h2c: bool) -> Result<Self, PolicyError> {
        Ok(Self {
            drops_h2c,
            rules: field_rules(&config)?,
            host: config.host,
            paths: config.paths,
            forwarded_for: config.forwarded_for,
            reuse: config.reuse,
        })
    }

    /// Whether the mirrored head offers to leave HTTP/1.
    pub(super) fn offers_upgrade(&self, head: RequestHead<'_>) -> bool {
        head.upgrade()
            .is_some_and(|upgrade| !(self.drops_h2c && upgrade == Upgrade::H2c))
    }

    /// Whether the copy's connection stays open, although the head says that its own does not.
    pub(super) fn keeps_connection(&self, head: RequestHead<'_>) -> bool {
        match head {
            RequestHead::Http1(head) => self.reuse && connection::stays_without_close(head),
            RequestHead::Http2(_) => false,
        }
    }

    /// Whether any value is hidden.
    fn redacts(&self) -> bool {
        self.rules.iter().any(|rule| rule.action == Action::Redact)
    }

    /// The names whose values are hidden.
    pub(super) fn redacted(&self) -> impl Iterator<Item = &FieldName> {
        let redacts = |rule: &&FieldRule| rule.action == Action::Redact;
        self.rules.iter().filter(redacts).map(|rule| &rule.name)
    }

    /// Appends the head to `out`; `host` is the target's own, before that of all targets.
    pub(super) fn write(
        &self,
        head: &Head<'_>,
        host: Option<&Host>,
        client: &Endpoint,
        out: &mut BytesMut,
    ) {
        let host = HostChange::of(host, &self.host);
        let parts = TargetParts::of(head.target());
        let path = self.path(&parts, head.target());
        out.reserve(head.raw.len() + self.growth(&host) + path.as_ref().map_or(0, Vec::len));

        let mut splice = Splice::new(head, out);
        let target = head.target.range().start;
        let in_head = |range: Range<usize>| range.start + target..range.end + target;
        if let Some(user) = parts.user.filter(|_| self.redacts()) {
            // What `Authorization` would say (RFC 3986 section 3.2.1).
            splice.replace(in_head(user), &[REDACTED]);
        }
        if let Some(authority) = parts.authority.map(in_head) {
            // A server must prefer the target's authority to Host (RFC 9112 section 3.2.2).
            host.change_authority(head.raw, authority, &mut splice);
        }
        if let Some(path) = path {
            splice.replace(in_head(parts.path), &[&path]);
        }
        self.write_fields(head, &host, client, &mut splice);
        splice.add_line(MIRRORED_BY, MIRROR_NAME.as_bytes());
        splice.finish();
    }

    fn write_fields(
        &self,
        head: &Head<'_>,
        host: &HostChange<'_>,
        client: &Endpoint,
        splice: &mut Splice<'_, '_>,
    ) {
        let forwarded = self.forwarded_line(head);
        let drops_offer = self.drops_h2c && head.upgrade == Some(Upgrade::H2c);
        let drops_close = self.reuse && connection::stays_without_close(head);
        let mut written = vec![false; self.rules.len()];
        let mut host_written = false;
        for (index, field) in head.fields.iter().enumerate() {
            let name = head.bytes(field.name);
            if drops_offer && offer::drop(head, field, splice) {
                continue;
            }
            let is_close = connection::is_close;
            if drops_close && connection::drop_options(head, field, is_close, splice) {
                continue;
            }
            if name.eq_ignore_ascii_case(b"host") {
                match host {
                    HostChange::Set(_) if host_written => splice.remove(field),
                    HostChange::Set(host) => splice.set_value(field, &[host.as_bytes()]),
                    HostChange::Append(_) | HostChange::Keep => {
                        host.change_authority(head.raw, field.value.range(), splice);
                    }
                }
                host_written = true;
            } else if Some(index) == forwarded {
                let (value, address) = (head.bytes(field.value), client.ip().to_string());
                let comma: &[u8] = if value.is_empty() { b"" } else { b", " };
                splice.set_value(field, &[value, comma, address.as_bytes()]);
            } else if let Some((rule, written)) = self
                .rules
                .iter()
                .zip(&mut written)
                .find(|(rule, _)| rule.name.matches(name))
            {
                match &rule.action {
                    Action::Set(value) if !*written => {
                        splice.set_value(field, &[value.as_bytes()]);
                    }
                    Action::Set(_) | Action::Remove => splice.remove(field),
                    Action::Redact => splice.set_value(field, &[REDACTED]),
                }
                *written = true;
            }
        }
        splice.finish_lines();
        if let (HostChange::Set(host), false) = (host, host_written) {
            splice.add_line("host", host.as_bytes());
        }
        for (rule, written) in self.rules.iter().zip(written) {
            if let (Action::Set(value), false) = (&rule.action, written) {
                splice.add_line(rule.name.as_str(), value.as_bytes());
            }
        }
        if self.forwarded_for == ForwardedFor::Append && forwarded.is_none() {
            splice.add_line(FORWARDED_FOR, client.ip().to_string().as_bytes());
        }
    }

    /// The line to append the client to: the last one, unless all are to be removed.
    fn forwarded_line(&self, head: &Head<'_>) -> Option<usize> {
        let is_ours = |name: &[u8]| name.eq_ignore_ascii_case(FORWARDED_FOR.as_bytes());
        let removed = || {
            self.rules
                .iter()
                .any(|rule| rule.name.matches(FORWARDED_FOR.as_bytes()))
        };
        if self.forwarded_for == ForwardedFor::Keep || removed() {
            return None;
        }
        head.fields
            .iter()
            .rposition(|field| is_ours(head.bytes(field.name)))
    }

    /// The path to send, if it is another one. Targets without a path have nothing to change.
    fn path(&self, parts: &TargetParts, target: &[u8]) -> Option<Vec<u8>> {
        self.new_path(parts.path(target))
    }

    fn new_path(&self, path: &[u8]) -> Option<Vec<u8>> {
        if !path.starts_with(b"/") {
            return None;
        }
        self.paths.iter().find_map(|rule| rule.apply(path))
    }

    /// How much longer than the client's head the mirrored one gets; odd heads (a host or a
    /// redacted field many times over) may exceed it and make the buffer grow.
    fn growth(&self, host: &HostChange<'_>) -> usize {
        let fields = self.rules.iter().map(FieldRule::growth);
        let mark = MIRRORED_BY.len() + MIRROR_NAME.len() + b": \r\n".len();
        let forwarded = match self.forwarded_for {
            ForwardedFor::Keep => 0,
            ForwardedFor::Append => FORWARDED_LINE,
        };
        let user = if self.redacts() { REDACTED.len() } else { 0 };
        mark + forwarded + user + host.growth() + fields.sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
