//! Other spellings of a path: servers take many for one.
//!
//! A rule that denies a path has to hold for what v1 makes of it, and v1 may decode, merge slashes and take
//! dot segments out before it looks (RFC 3986 section 6.2.2). What it does is not known, so that all count.

/// The spellings that some server could take this path for, beside itself; none for most paths.
pub(super) fn others(path: &[u8]) -> Vec<Vec<u8>> {
    let odd = |pair: &[u8]| matches!(pair, [b'/', b'/' | b'.'] | [b'%', _]);
    if !path.starts_with(b"/") || !path.windows(2).any(odd) {
        return Vec::new();
    }
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut spellings = vec![
        without_dots(&decoded(path, unreserved)),
        without_dots(&decoded(path, |_| true)),
    ];
    spellings.dedup();
    spellings
}

/// Decodes the percent-encoded bytes that `which` wants decoded, once.
fn decoded(path: &[u8], which: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, after)) = rest.split_first() {
        let found = match rest {
            [b'%', high, low, after @ ..] => hex(*high, *low).map(|byte| (byte, after)),
            _ => None,
        };
        (rest, decoded) = match found.filter(|(byte, _)| which(*byte)) {
            Some((byte, after)) => (after, pushed(decoded, byte)),
            None => (after, pushed(decoded, *byte)),
        };
    }
    decoded
}

fn pushed(mut bytes: Vec<u8>, byte: u8) -> Vec<u8> {
    bytes.push(byte);
    bytes
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Merges slashes and removes dot segments (RFC 3986 section 5.2.4).
fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut open = true;
    for segment in path.split(|byte| *byte == b'/') {
        open = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    let mut path = Vec::with_capacity(path.len());
    for segment in &kept {
        path.push(b'/');
        path.extend_from_slice(segment);
    }
    if open || path.is_empty() {
        path.push(b'/');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_server_may_make_of_a_path() {
        for (path, expected) in [
            ("/%61dmin/x", &["/admin/x"][..]),
            ("//admin/x", &["/admin/x"]),
            ("/./admin/x", &["/admin/x"]),
            ("/a/../admin/x", &["/admin/x"]),
            ("/a/%2e%2E/admin/x", &["/admin/x"]),
            ("/admin%2Fx", &["/admin%2Fx", "/admin/x"]),
            ("/a%2f..%2fadmin/x", &["/a%2f..%2fadmin/x", "/admin/x"]),
            ("/../../a/.", &["/a/"]),
            ("/a/b/..", &["/a/"]),
            ("/a//", &["/a/"]),
            ("/%", &[]),
            ("/%zz", &["/%zz"]),
            ("/%2561", &["/%2561", "/%61"]),
            ("/..", &["/"]),
            ("/a.b/c-d", &[]),
            ("*", &[]),
            ("", &[]),
        ] {
            let others = others(path.as_bytes());
            let others: Vec<_> = others
                .iter()
                .map(|path| path.escape_ascii().to_string())
                .collect();
            assert_eq!(others, expected, "{path}");
        }
    }
}
