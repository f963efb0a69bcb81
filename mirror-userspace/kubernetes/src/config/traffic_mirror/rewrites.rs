//! What is changed in copies, and what is hidden in them.

use mirror_core::policy::{
    ForwardedFor, HostRewrite, MutableField, PathRewrite, RewriteConfig, SetField,
};

use super::bounded;
use crate::config::{error::BadField, node::Node};

/// Most header fields that one rewrite sets, and most that it removes.
const MAX_FIELDS: usize = 32;
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Reads `rewrites` and `redact`.
pub(super) fn read(
    rewrites: Option<&Node<'_>>,
    redact: Option<&Node<'_>>,
) -> Result<RewriteConfig, BadField> {
    let mut config = RewriteConfig::default();
    let mut changed = Changed::default();
    if let Some(node) = rewrites {
        read_rewrites(node, &mut config, &mut changed)?;
    }
    if let Some(node) = redact {
        let mut fields = node.fields()?;
        for node in list(fields.take("headers"))? {
            let field: MutableField = node.parse()?;
            changed.once(&node, field.name().as_str())?;
            config.redact_fields.push(field);
        }
        fields.finish();
    }
    Ok(config)
}

fn read_rewrites(
    node: &Node<'_>,
    config: &mut RewriteConfig,
    changed: &mut Changed,
) -> Result<(), BadField> {
    let mut fields = node.fields()?;
    config.host = match (fields.take("host"), fields.take("hostSuffix")) {
        (None, None) => HostRewrite::Keep,
        (Some(host), None) => HostRewrite::Set(host.parse()?),
        (None, Some(suffix)) => HostRewrite::Append(suffix.parse()?),
        (Some(_), Some(_)) => return Err(node.bad("has both host and hostSuffix")),
    };
    if let Some(node) = fields.take("forwardedFor")
        && node.bool()?
    {
        config.forwarded_for = ForwardedFor::Append;
        changed.once(&node, FORWARDED_FOR)?;
    }
    for node in list(fields.take("setHeaders"))? {
        let mut fields = node.fields()?;
        let name = fields.need("name")?;
        let value = fields.need("value")?;
        fields.finish();
        // Checked by itself: with a colon in it, it would be another name and value.
        let _valid: MutableField = name.parse()?;
        let set = format!("{}: {}", name.str()?, value.str()?);
        let field: SetField = set.parse().map_err(|bad| value.bad(bad))?;
        changed.once(&name, field.name().as_str())?;
        config.set_fields.push(field);
    }
    for node in list(fields.take("removeHeaders"))? {
        let field: MutableField = node.parse()?;
        changed.once(&node, field.name().as_str())?;
        config.remove_fields.push(field);
    }
    for node in list(fields.take("paths"))? {
        config.paths.push(read_path(&node)?);
    }
    fields.finish();
    Ok(())
}

/// The beginning of a path, and what stands there instead.
fn read_path(node: &Node<'_>) -> Result<PathRewrite, BadField> {
    let mut fields = node.fields()?;
    let prefix = fields.need("prefix")?;
    let replacement = fields.need("replacement")?;
    fields.finish();
    let from = prefix.str()?;
    if !from.starts_with('/') || from.contains('=') {
        return Err(prefix.bad("does not start with /, or has a ="));
    }
    let rewrite = format!("{from}={}", replacement.str()?);
    rewrite.parse().map_err(|bad| replacement.bad(bad))
}

fn list<'a>(node: Option<Node<'a>>) -> Result<Vec<Node<'a>>, BadField> {
    node.map_or(Ok(Vec::new()), |node| bounded(&node, MAX_FIELDS))
}

/// The headers that something is done to already.
#[derive(Default)]
struct Changed(Vec<String>);

impl Changed {
    fn once(&mut self, node: &Node<'_>, name: &str) -> Result<(), BadField> {
        if self.0.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            return Err(node.bad("is a header that is set, removed or redacted before"));
        }
        self.0.push(name.to_owned());
        Ok(())
    }
}
