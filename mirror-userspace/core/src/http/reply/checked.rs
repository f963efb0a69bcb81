//! Heads that must be whole and well formed: those of targets.

use memchr::memchr_iter;

use super::{NotAReply, ReplyHead, parse, split_line};
use crate::http::grammar::{are_value_bytes, is_tchar};

/// Reads the head that `bytes` begin with, once all of it is there; `None` before that. What it says is what
/// [`parse`] finds. White space before a colon and folded lines are let pass (RFC 9112 sections 5.1 and 5.2).
///
/// # Errors
///
/// If no HTTP/1 reply begins like this, if a line is none that the grammar of RFC 9112 section 5 allows, or if there
/// are more than `fields` field lines, folded ones not counted. A fault may be noticed before the head is whole.
pub fn parse_whole(bytes: &[u8], fields: usize) -> Result<Option<ReplyHead>, NotAReply> {
    let Some(head) = parse(bytes)? else {
        return Ok(None);
    };
    let head_bytes = bytes.get(..head.len.unwrap_or(bytes.len()));
    let head_bytes = head_bytes.unwrap_or(bytes).trim_ascii_start();
    if !is_well_formed(head_bytes, fields) {
        return Err(NotAReply);
    }
    Ok(head.len.is_some().then_some(head))
}

/// The offset behind the empty line that ends a head, if that line ends at or behind `from`, which is not the first
/// byte of a head.
#[must_use]
pub fn find_end(head: &[u8], from: usize) -> Option<usize> {
    let searched = head.get(from..)?;
    memchr_iter(b'\n', searched).find_map(|at| match searched.get(at + 1..)? {
        [b'\n', ..] => Some(from + at + 2),
        [b'\r', b'\n', ..] => Some(from + at + 3),
        _ => None,
    })
}

/// Whether the whole lines among these, the first being the status line, are what they should be.
fn is_well_formed(head: &[u8], fields: usize) -> bool {
    let Some((status_line, mut rest)) = split_line(head) else {
        return true;
    };
    let mut count = 0;
    while let Some((line, behind)) = split_line(rest) {
        rest = behind;
        match line {
            [] => break,
            // Continues a field: there must be one.
            [b' ' | b'\t', ..] if count > 0 && are_value_bytes(line) => {}
            _ if is_field(line) => count += 1,
            _ => return false,
        }
    }
    count <= fields && are_value_bytes(status_line)
}

fn is_field(line: &[u8]) -> bool {
    let len = line.iter().take_while(|byte| is_tchar(**byte)).count();
    let (name, rest) = line.split_at_checked(len).unwrap_or_default();
    match rest.trim_ascii_start() {
        [b':', value @ ..] => {
            let between = rest.len() - value.len() - 1;
            let between = rest.get(..between).unwrap_or_default();
            let blank = between.iter().all(|byte| matches!(byte, b' ' | b'\t'));
            !name.is_empty() && blank && are_value_bytes(value)
        }
        _ => false,
    }
}
