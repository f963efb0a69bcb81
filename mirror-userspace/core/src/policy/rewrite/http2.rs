//! The header block that a target receives: the client's field list with the configured changes, and a mark.
//!
//! The order of the fields, pseudo-headers among them, duplicates and cookie crumbs stay as they were sent, and what the
//! client forbade to index stays forbidden (RFC 7541 section 6.2.3). Names that are added are in lower case (RFC 9113
//! section 8.2.1).

use bytes::BytesMut;

use super::{Action, FORWARDED_FOR, ForwardedFor, MIRROR_NAME, MIRRORED_BY, Rewriter};
use crate::{
    http::{
        RequestHead,
        h2::{
            Field, FieldList, Head,
            hpack::{OVERHEAD, encode},
        },
    },
    policy::{
        field_rules::{FieldRule, REDACTED},
        host::HostChange,
        request_target::TargetParts,
    },
    segment::Endpoint,
    value::Host,
};

impl Rewriter {
    /// Appends the block to `out`; `host` is the target's own, before that of all targets.
    pub(in crate::policy) fn write_block(
        &self,
        head: &Head<'_>,
        host: Option<&Host>,
        client: &Endpoint,
        out: &mut BytesMut,
    ) {
        let host = HostChange::of(host, &self.host);
        let lists = head.fields.iter();
        let sizes = lists.map(|field| field.name.len() + field.value.len() + OVERHEAD);
        out.reserve(sizes.sum::<usize>() + self.growth(&host));

        let forwarded = self.forwarded_field(head.fields);
        let mut written = vec![false; self.rules.len()];
        let mut host_written = false;
        for (index, field) in head.fields.iter().enumerate() {
            match field.name {
                b":authority" | b"host" => {
                    host_written = true;
                    replace(field, host.changed(field.value), out);
                }
                b":path" => replace(field, self.path_of(head), out),
                _ if Some(index) == forwarded => {
                    let address = client.ip().to_string();
                    let comma: &[u8] = if field.value.is_empty() { b"" } else { b", " };
                    let value = [field.value, comma, address.as_bytes()].concat();
                    replace(field, Some(value), out);
                }
                name => match self.rule(name) {
                    None => copy(field, out),
                    Some((place, rule)) => {
                        let again = written.get_mut(place);
                        let again = again.is_some_and(|done| std::mem::replace(done, true));
                        match &rule.action {
                            Action::Set(_) if again => {}
                            Action::Set(value) => with(field, value.as_bytes(), out),
                            Action::Remove => {}
                            Action::Redact => with(field, REDACTED, out),
                        }
                    }
                },
            }
        }
        if let (HostChange::Set(host), false) = (&host, host_written) {
            add("host", host.as_bytes(), out);
        }
        for (rule, written) in self.rules.iter().zip(written) {
            if let (Action::Set(value), false) = (&rule.action, written) {
                add(
                    &rule.name.as_str().to_ascii_lowercase(),
                    value.as_bytes(),
                    out,
                );
            }
        }
        if self.forwarded_for == ForwardedFor::Append && forwarded.is_none() {
            add(FORWARDED_FOR, client.ip().to_string().as_bytes(), out);
        }
        add(MIRRORED_BY, MIRROR_NAME.as_bytes(), out);
    }

    /// Appends the header block of trailers to `out`, with what is to be hidden hidden.
    pub(in crate::policy) fn write_trailers(&self, fields: &FieldList, out: &mut BytesMut) {
        for field in fields {
            let rule = self.rule(field.name);
            match rule.filter(|(_, rule)| rule.action == Action::Redact) {
                Some(_) => with(field, REDACTED, out),
                None => copy(field, out),
            }
        }
    }

    fn rule(&self, name: &[u8]) -> Option<(usize, &FieldRule)> {
        let mut rules = self.rules.iter().enumerate();
        rules.find(|(_, rule)| rule.name.matches(name))
    }

    /// The field to append the client to: the last one, unless all are to be removed.
    fn forwarded_field(&self, fields: &FieldList) -> Option<usize> {
        let name = FORWARDED_FOR.as_bytes();
        if self.forwarded_for == ForwardedFor::Keep || self.rule(name).is_some() {
            return None;
        }
        let all = fields.iter().enumerate();
        let ours = all.filter(|(_, field)| field.name == name);
        ours.last().map(|(index, _)| index)
    }

    /// The new `:path`, if it gets another one: its query stays.
    fn path_of(&self, head: &Head<'_>) -> Option<Vec<u8>> {
        let (path, query) = head
            .path
            .split_at_checked(TargetParts::of_head(RequestHead::Http2(head)).path.end)?;
        Some([&self.new_path(path)?, query].concat())
    }
}

fn replace(field: Field<'_>, value: Option<Vec<u8>>, out: &mut BytesMut) {
    match value {
        Some(value) => with(field, &value, out),
        None => encode(field, out),
    }
}

/// The field as the client sent it, or as whoever is not on the C core of gRPC has to get it.
pub(in crate::policy) fn copy(field: Field<'_>, out: &mut BytesMut) {
    replace(field, field.as_text(), out);
}

/// The field with another value; what the client forbade stays forbidden.
pub(in crate::policy) fn with(field: Field<'_>, value: &[u8], out: &mut BytesMut) {
    encode(Field { value, ..field }, out);
}

fn add(name: &str, value: &[u8], out: &mut BytesMut) {
    let field = Field {
        name: name.as_bytes(),
        value,
        never_indexed: false,
    };
    encode(field, out);
}

#[cfg(test)]
mod tests;
