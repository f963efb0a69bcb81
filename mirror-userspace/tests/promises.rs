//! Each sentence of what README promises has tests, which `docs/PROMISES.md` names.

#![cfg(test)]

use std::path::Path;

const README: &str = include_str!("../../README.md");
const PAGE: &str = include_str!("../../docs/PROMISES.md");

/// The lines of a section, up to the next one.
fn section<'a>(page: &'a str, title: &str) -> impl Iterator<Item = &'a str> {
    let heading = format!("## {title}");
    let lines = page.lines().skip_while(move |line| *line != heading);
    lines.skip(1).take_while(|line| !line.starts_with("## "))
}

/// What README says there, as one line, without the titles of its points.
fn said(title: &str) -> String {
    let points = section(README, title).map(|line| match line.strip_prefix("* **") {
        Some(point) => point.split_once("**").unwrap().1,
        None => line,
    });
    one_line(&points.collect::<Vec<_>>().join(" "))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The sentences of a section, as README writes them, each with its tests.
fn promises(title: &str) -> Vec<(String, Vec<&'static str>)> {
    let rows = section(PAGE, title).filter(|line| line.starts_with("| "));
    let cells = rows.skip(1).map(|row| row.split('|').collect::<Vec<_>>());
    cells
        .map(|cells| {
            let [_, sentence, tests, _] = cells[..] else {
                panic!("{cells:?}")
            };
            let links = [("](../README.md#", "](#"), ("](../", "](")];
            let sentence = links
                .iter()
                .fold(one_line(sentence), |text, (here, there)| {
                    text.replace(here, there)
                });
            (
                from_root(&sentence),
                tests.split('`').skip(1).step_by(2).collect(),
            )
        })
        .collect()
}

/// Links to neighbours of the page are links into `docs/` from the root.
fn from_root(sentence: &str) -> String {
    ["SMUGGLING", "CORPUS", "PROMISES"]
        .iter()
        .fold(sentence.to_owned(), |text, page| {
            text.replace(&format!("]({page}.md)"), &format!("](docs/{page}.md)"))
        })
}

const SECTIONS: [&str; 2] = ["What you can rely on", "HTTP/2 and gRPC"];

#[test]
fn every_sentence_of_readme_is_in_the_table() {
    for title in SECTIONS {
        let mut rest = &*said(title);
        assert!(rest.len() > 1_000, "{title}: is it read?");
        for (sentence, _) in promises(title) {
            rest = rest.trim_start();
            rest = rest
                .strip_prefix(&*sentence)
                .unwrap_or_else(|| panic!("README: {rest}\n\ntable: {sentence}"));
        }
        assert_eq!(rest.trim(), "", "{title}: the table does not have it");
    }
}

/// Those of which nothing can fail.
const LIMITS: usize = 1;

#[test]
fn each_sentence_has_its_tests() {
    let mut missing = Vec::new();
    let mut limits = 0;
    for (sentence, tests) in SECTIONS.into_iter().flat_map(promises) {
        limits += usize::from(tests.is_empty());
        missing.extend(
            tests
                .into_iter()
                .filter(|test| !exists(test))
                .map(|test| format!("{test}: {sentence}")),
        );
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(limits <= LIMITS, "{limits} sentences without a test");
}

/// Whether this file has a test of this name.
fn exists(test: &str) -> bool {
    let (path, name) = test.split_once("::").unwrap();
    let userspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let roots = [userspace, userspace.parent().unwrap()];
    let source = roots
        .iter()
        .find_map(|root| std::fs::read_to_string(root.join(path)).ok());
    let head = format!("fn {name}()");
    source.is_some_and(|source| {
        let mut before = None;
        source.lines().any(|line| {
            let found = line.contains(&head)
                && before.is_some_and(|it: &str| it.trim_start().starts_with("#["));
            before = Some(line);
            found
        })
    })
}

#[test]
fn a_test_that_is_not_there_is_missed() {
    assert!(exists(
        "tests/promises.rs::a_test_that_is_not_there_is_missed"
    ));
    assert!(!exists("tests/promises.rs::exists"), "no test");
    assert!(!exists("tests/promises.rs::a_test_that_is_not") && !exists("tests/no.rs::a"));
}
