//! What a source file imports from its own crate.

/// The top-level modules that a file names, in `use` lines and in paths in the code.
pub(crate) fn imports(code: &str, path: &str) -> Vec<String> {
    // How many `super` lead from the file's module to the crate's root.
    let (_, inside) = path.split_once("src/").unwrap();
    let folders = inside.matches('/').count();
    let depth = if inside.ends_with("/mod.rs") {
        folders
    } else {
        folders + 1
    };
    let to_root = format!("{}::", vec!["super"; depth].join("::"));

    let dense: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let mut found = Vec::new();
    for start in ["crate::", &to_root] {
        for (at, _) in dense.match_indices(start) {
            // A longer chain of `super` would leave the crate; a shorter one stays in the module.
            if dense[..at].ends_with("super::") {
                continue;
            }
            found.extend(first_segments(&dense[at + start.len()..]));
        }
    }
    found.retain(|name| name.starts_with(char::is_lowercase) && name != "super");
    found.sort();
    found.dedup();
    found
}

/// Of `a::b` it is `a`; of `{a::{b, c}, d}` they are `a` and `d`.
fn first_segments(path: &str) -> Vec<String> {
    // Behind a trailing comma no name follows.
    let name = |text: &str| -> String {
        let in_name = |c: &char| c.is_alphanumeric() || *c == '_';
        text.chars().take_while(in_name).collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let mut depth = 0_i32;
    let mut segments = vec![name(group)];
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b',' if depth == 0 => segments.push(name(&group[at + 1..])),
            _ => {}
        }
    }
    segments
}

mod the_check_itself {
    use super::*;
    use crate::source::code_of;

    #[test]
    fn sees_every_form_of_import() {
        let code = code_of(
            "//! crate::cli in a comment\n\
             use crate::{budget::Reserved, stream::{self, Event}, segment::Time,};\n\
             use super::super::http; // two up from policy/x/y.rs, via mod.rs\n\
             fn f() -> crate::pipeline::Output { \"crate::dispatch \\\" crate::cli\"; '\"' }\n\
             #[cfg(test)]\nmod tests { use crate::capture; }",
        );
        let expected = ["budget", "http", "pipeline", "segment", "stream"];
        assert_eq!(imports(&code, "src/policy/x/mod.rs"), expected);
        assert_eq!(imports("use super::cli;", "src/policy.rs"), ["cli"]);
        assert_eq!(imports("use super::cli;", "src/policy/x.rs"), [""; 0]);
    }
}
