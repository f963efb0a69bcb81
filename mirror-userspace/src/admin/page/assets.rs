//! The files that the page consists of, all of them in the binary.

use bytes::Bytes;

use super::reasons;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// Each with its path and its type.
const FILES: &[(&str, &str, &str)] = &[
    ("/", HTML, include_str!("assets/index.html")),
    ("/style.css", STYLE, include_str!("assets/style.css")),
    ("/icon.svg", IMAGE, include_str!("assets/icon.svg")),
    ("/agents.js", SCRIPT, include_str!("assets/agents.js")),
    ("/app.js", SCRIPT, include_str!("assets/app.js")),
    ("/boot.js", SCRIPT, include_str!("assets/boot.js")),
    ("/books.js", SCRIPT, include_str!("assets/books.js")),
    ("/dom.js", SCRIPT, include_str!("assets/dom.js")),
    ("/format.js", SCRIPT, include_str!("assets/format.js")),
    ("/graph.js", SCRIPT, include_str!("assets/graph.js")),
    ("/last.js", SCRIPT, include_str!("assets/last.js")),
    ("/tune.js", SCRIPT, include_str!("assets/tune.js")),
    ("/chart.js", SCRIPT, include_str!("assets/chart.js")),
    ("/panels.js", SCRIPT, include_str!("assets/panels.js")),
    ("/verdict.js", SCRIPT, include_str!("assets/verdict.js")),
    ("/routes.js", SCRIPT, include_str!("assets/routes.js")),
    ("/glance.js", SCRIPT, include_str!("assets/glance.js")),
    (
        "/differences.js",
        SCRIPT,
        include_str!("assets/differences.js"),
    ),
];

/// The type and the bytes of the file at this path.
pub(super) fn find(path: &str) -> Option<(&'static str, Bytes)> {
    if path == "/reasons.json" {
        return Some(("application/json", reasons::json()));
    }
    let mut files = FILES.iter();
    let (_, kind, text) = files.find(|(known, ..)| *known == path)?;
    Some((kind, Bytes::from_static(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_small_and_ours() {
        let bytes: usize = FILES.iter().map(|(.., text)| text.len()).sum();
        assert!(bytes < 100_000, "{bytes} bytes");
        for (path, _, text) in FILES {
            let others = text.match_indices("://").map(|(at, _)| {
                let around = text.get(at.saturating_sub(8)..at + 30);
                around.unwrap_or_default()
            });
            for link in others {
                assert!(link.contains("www.w3.org/2000/svg"), "{path}: {link}");
            }
        }
    }
}
