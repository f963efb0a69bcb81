//! `StringMatch`: exact, prefix or regex.

use mirror_core::policy::{Case, TextMatch};

use crate::config::{draft::Draft, error::BadField, node::Node};

/// Reads a match. An empty one asks for presence, and so does the regex `*`, which is none.
pub(super) fn read(
    node: &Node<'_>,
    case: Case,
    draft: &mut Draft<'_>,
) -> Result<TextMatch, BadField> {
    if node.value.is_null() {
        return Ok(TextMatch::Present);
    }
    let mut fields = node.fields()?;
    let exact = fields.take("exact");
    let prefix = fields.take("prefix");
    let regex = fields.take("regex");
    fields.finish();
    Ok(match (exact, prefix, regex) {
        (None, None, None) => TextMatch::Present,
        (Some(text), None, None) => TextMatch::Exact(text.text()?, case),
        (None, Some(text), None) => TextMatch::Prefix(text.text()?, case),
        (None, None, Some(text)) if text.str()? == "*" => TextMatch::Present,
        (None, None, Some(text)) => TextMatch::Regex(draft.regex(&text)?),
        _ => return Err(node.bad("has more than one of exact, prefix and regex")),
    })
}
