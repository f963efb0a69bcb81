//! What one namespace's documents may use, and that it is nothing of the others'.

use super::*;

fn mirror(namespace: &str, name: &str, http: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n\
         metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{hosts: [a], http: [{http}]}}\n"
    )
}

fn plain(to: &str) -> String {
    format!("{{route: [{{destination: {{host: a}}}}], mirror: {{host: {to}}}}}")
}

fn each(text: &str) -> (Plan, Vec<ConfigError>) {
    Reader::default().read_each(&parse("x", text).unwrap())
}

fn rules_of(plan: &Plan, namespace: &str) -> usize {
    let title = format!("VirtualService {namespace}/");
    let rules = plan.rules.iter();
    rules.filter(|rule| rule.name.starts_with(&title)).count()
}

#[test]
fn mirrors_are_bounded_by_namespace_and_in_all() {
    let mut text = String::new();
    for namespace in 0..5 {
        for number in 0..=64 {
            text += &mirror(&format!("n{namespace}"), &format!("a{number}"), &plain("b"));
        }
    }
    text += &mirror("zzz", "legit", &plain("b"));
    let (plan, errors) = each(&text);
    assert!(errors.is_empty());
    assert_eq!(plan.rules.len(), MAX_RULES);
    assert_eq!(rules_of(&plan, "zzz"), 1);
    for namespace in 0..5 {
        assert_eq!(rules_of(&plan, &format!("n{namespace}")), 51);
    }
    let why = &plan.refused.last().unwrap().why;
    assert!(why.contains("share of the 256 mirrors"), "{why}");
}

/// Whoever comes first by name does not switch others off: by documents, by routes, or by targets.
#[test]
fn a_namespace_called_aaa_switches_nobody_off() {
    let routes: Vec<String> = (0..256)
        .map(|number| plain(&format!("b{number}")))
        .collect();
    let targets: Vec<String> = (0..256)
        .map(|number| format!("{{destination: {{host: b{number}}}}}"))
        .collect();
    let targets = format!(
        "{{route: [{{destination: {{host: a}}}}], mirrors: [{}]}}",
        targets.join(", ")
    );
    let documents: Vec<String> = (0..256)
        .map(|number| mirror("aaa", &format!("d{number}"), &plain("b")))
        .collect();
    for hostile in [
        mirror("aaa", "routes", &routes.join(", ")),
        mirror("aaa", "targets", &targets),
        documents.concat(),
    ] {
        let (plan, errors) = each(&(hostile + &mirror("bank", "legit", &plain("next"))));
        assert!(errors.is_empty());
        assert_eq!(rules_of(&plan, "bank"), 1);
        assert!(plan.rules.len() <= 65);
        let key = ("aaa".to_owned(), Reason::Quota);
        assert!(plan.refusals[&key] >= 1, "{:?}", plan.refusals);
    }
}

/// Expressions that are as large as they may be.
fn greedy(namespace: &str, documents: usize) -> String {
    let document = |document: usize| {
        let matches: Vec<String> = (0..64)
            .map(|number| {
                let regex =
                    format!("/([a-z0-9]{{1,8}}|[A-Z_]{{2,9}}x){{1,95}}y{document}.{number}");
                format!("{{uri: {{regex: '{regex}'}}}}")
            })
            .collect();
        let http = format!(
            "{{match: [{}], route: [{{destination: {{host: a}}}}], mirror: {{host: b}}}}",
            matches.join(", ")
        );
        mirror(namespace, &format!("r{document}"), &http)
    };
    (0..documents).map(document).collect()
}

#[test]
fn compiled_expressions_are_paid_for_by_their_namespace() {
    let legit = "{match: [{uri: {regex: '/v[0-9]+/.*'}}], route: [{destination: {host: a}}], mirror: {host: b}}";
    let text = greedy("aaa", 3) + &mirror("bank", "legit", legit);
    let documents = parse("x", &text).unwrap();
    let mut reader = Reader::default();
    let (plan, errors) = reader.read_each(&documents);
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(rules_of(&plan, "bank"), 1);
    assert_eq!(rules_of(&plan, "aaa"), 0);
    let refused = &plan.refused[0];
    assert_eq!(
        (refused.at.namespace.as_str(), refused.reason),
        ("aaa", Reason::Quota)
    );
    assert!(
        refused
            .why
            .contains("bytes of compiled regular expressions")
    );

    // What is unchanged is not compiled again, and what is gone is forgotten.
    let compiled = reader.compiled();
    assert!(compiled < 32, "not beyond the share: {compiled}");
    let (again, _) = reader.read_each(&documents);
    assert_eq!(again.rules.len(), plan.rules.len());
    assert_eq!(reader.compiled(), compiled);
    let (none, _) = reader.read_each(&[]);
    assert!(none.rules.is_empty());
    let (anew, _) = reader.read_each(&documents[3..]);
    assert_eq!((anew.rules.len(), reader.compiled()), (1, compiled + 1));
}

#[test]
fn a_flag_says_how_much_a_namespace_has() {
    let terms = Terms {
        quotas: Quotas {
            mirrors: 2,
            patterns: 1_000,
        },
        ..Terms::default()
    };
    let text: String = (0..3)
        .map(|number| mirror("a", &format!("d{number}"), &plain("b")))
        .collect();
    let read = plan_by(&text, &terms);
    assert_eq!(read.rules.len(), 2);
    assert_eq!(refusals(&read), ["quota spec"]);
    assert!(read.refused[0].why.contains("the 2 mirrors of a namespace"));
    let regex =
        "{match: [{uri: {regex: a}}], route: [{destination: {host: a}}], mirror: {host: b}}";
    let read = plan_by(&mirror("a", "d", regex), &terms);
    assert_eq!(refusals(&read), ["quota spec.http[0].match[0].uri.regex"]);
}
