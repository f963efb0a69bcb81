//! The names that Kubernetes allows: of objects, label keys and label values.
//!
//! Checked here so that a typing error is refused with the flag or document that has it, and not
//! by an API server that the agent asks again and again.

/// The name of a namespace or of a service: an RFC 1123 label, in lower case. (A service's name
/// must begin with a letter before Kubernetes 1.34; the API server knows its own version.)
pub fn is_object_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= 63 && is_framed(text, inner)
}

/// The name of most other objects: a DNS name of up to 253 characters, in lower case.
#[must_use]
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_object_name)
}

/// `[PREFIX/]NAME`: the prefix a DNS name of up to 253 characters, the name as a value but not empty.
#[must_use]
pub fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_label_name(name),
        None => is_label_name(text),
    }
}

/// Empty, or up to 63 letters, digits, `-`, `_` and `.`, a letter or digit first and last.
#[must_use]
pub fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_label_name(text)
}

fn is_label_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.len() <= 63 && is_framed(text, inner)
}

/// Whether `text` is of `inner` bytes, a letter or digit first and last.
fn is_framed(text: &str, inner: impl Fn(u8) -> bool) -> bool {
    let ends = [text.bytes().next(), text.bytes().next_back()];
    let framed = |end: Option<u8>| end.is_some_and(|byte| byte.is_ascii_alphanumeric());
    ends.into_iter().all(framed) && text.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_kubernetes_accepts() {
        let long = "a".repeat(63);
        let longer = "a".repeat(64);
        for good in ["a", "0", "web-2", "1st", &long] {
            assert!(is_object_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "a b", "ä", &longer] {
            assert!(!is_object_name(bad), "{bad}");
        }
        for good in ["", "a", "A", "v1.2_3-x", "0", &long] {
            assert!(is_label_value(good), "{good}");
        }
        for bad in [".", "a.", "_a", "a/b", "a b", "a:b", &longer] {
            assert!(!is_label_value(bad), "{bad}");
        }
        let longest = format!("{}.{long}.{long}.{long}/name", "a".repeat(61));
        let too_long = format!("a{longest}");
        for good in ["app", "App_1.2", "app.kubernetes.io/name", "a/B", &longest] {
            assert!(is_label_key(good), "{good}");
        }
        for bad in [
            "", "/", "a/", "/a", "a/b/c", "A/b", "a..b/c", &too_long, &longer,
        ] {
            assert!(!is_label_key(bad), "{bad}");
        }
    }
}
