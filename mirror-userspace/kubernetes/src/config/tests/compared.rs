//! `TrafficMirror`: which targets it compares, and with what.

use super::*;

fn mirror(spec: &str) -> String {
    format!(
        "apiVersion: podmirror.io/v1alpha1\nkind: TrafficMirror\n\
         metadata: {{name: web, namespace: shop}}\nspec: {{source: {{service: v1}}, {spec}}}\n---\n"
    )
}

const WITH_V1: &str = "targets: [{service: v2, role: candidate}], compare: v1";

#[test]
fn targets_have_roles_and_the_rule_says_what_is_compared() {
    for (spec, compares, v1, route) in [
        (
            "targets: [{service: b, role: baseline}, {service: v2, role: candidate}]",
            true,
            false,
            "shop/v1 -> service/shop/b,role=baseline + service/shop/v2,role=candidate",
        ),
        (
            WITH_V1,
            true,
            true,
            "shop/v1 -> service/shop/v2,role=candidate",
        ),
        (
            "targets: [{service: v2}]",
            false,
            false,
            "shop/v1 -> service/shop/v2",
        ),
    ] {
        let plan = plan(&mirror(spec));
        assert_eq!(routes(&plan), [route]);
        let rule = &plan.rules[0];
        assert_eq!((rule.compares(), rule.compare.v1), (compares, v1), "{spec}");
        assert_eq!(rule.asks_to_compare(), compares);
        assert!(plan.ignored.is_empty(), "{:?}", plan.ignored);
    }
    let grouped = plan(&mirror(&format!("{WITH_V1}, groupPaths: [/api/*, /x]")));
    let groups = grouped.rules[0].compare.groups.iter();
    let groups: Vec<_> = groups.map(ToString::to_string).collect();
    assert_eq!(groups, ["/api/*", "/x"]);
}

#[test]
fn what_makes_no_sense_is_refused_by_field() {
    let many: Vec<_> = (0..17).map(|number| format!("/{number}")).collect();
    for (spec, expected) in [
        (
            "targets: [{service: a, role: candidate}, {service: b, role: candidate}]".to_owned(),
            "spec.targets[1].role: is beyond 1 with the role candidate",
        ),
        (
            "targets: [{service: a, role: baseline}, {service: b, role: baseline}, {service: c, role: baseline}]"
                .to_owned(),
            "spec.targets[2].role: is beyond 2 with the role baseline",
        ),
        (
            "targets: [{service: a, role: other}]".to_owned(),
            "spec.targets[0].role: \"other\" is no role",
        ),
        (
            "targets: [{service: a}], compare: v1".to_owned(),
            "spec.compare: takes a target with the role candidate",
        ),
        (
            "targets: [{service: a, role: candidate}], compare: v3".to_owned(),
            "spec.compare: is not v1",
        ),
        (
            format!("{WITH_V1}, groupPaths: [api]"),
            "spec.groupPaths[0]: \"api\" does not start with /",
        ),
        (
            format!("{WITH_V1}, groupPaths: ['~^/api']"),
            "spec.groupPaths[0]: is no plain path with one * at most",
        ),
        (
            format!("{WITH_V1}, groupPaths: [/a, '/*/b/*']"),
            "spec.groupPaths[1]: is no plain path with one * at most",
        ),
        (
            format!("{WITH_V1}, groupPaths: [/{}]", "a".repeat(128)),
            "spec.groupPaths[0]: is longer than 128 bytes",
        ),
        (
            format!("{WITH_V1}, groupPaths: [{}]", many.join(", ")),
            "spec.groupPaths: has more than 16 items",
        ),
    ] {
        let said = refused(&mirror(&spec));
        let expected = format!("TrafficMirror shop/web (web.yaml): {expected}");
        assert!(said.starts_with(&expected), "{spec}\n{said}");
    }
}

/// It mirrors all the same.
#[test]
fn what_compares_nothing_is_told() {
    for (spec, fields) in [
        (
            "targets: [{service: v2, role: candidate}]",
            &["spec.targets"][..],
        ),
        (
            "targets: [{service: v2, role: baseline}]",
            &["spec.targets"],
        ),
        (
            "targets: [{service: v2}], groupPaths: [/a]",
            &["spec.groupPaths"],
        ),
        (
            "targets: [{service: v2, role: candidate, percent: 0}, {service: v3}], compare: v1",
            &["spec.targets[0]", "spec.compare"],
        ),
    ] {
        let plan = plan(&mirror(spec));
        assert_eq!(plan.rules.len(), 1, "{spec}");
        assert!(!plan.rules[0].compares());
        assert_eq!(ignored(&plan), fields, "{spec}");
    }
}

/// As `--compare v1` has it, v1 is the baseline.
#[test]
fn a_baseline_beside_v1_is_told_to_be_none() {
    let spec =
        "targets: [{service: v2, role: candidate}, {service: b, role: baseline}], compare: v1";
    let plan = plan(&mirror(spec));
    assert!(plan.rules[0].compares() && plan.rules[0].compare.v1);
    assert_eq!(ignored(&plan), ["spec.targets[1].role"]);
}

#[test]
fn it_is_told_in_words() {
    let told = plan(&mirror(&format!("{WITH_V1}, groupPaths: [/a, /b*]"))).to_string();
    let expected =
        "  compares the replies of service/shop/v2 with v1's own\n  by the paths /a, /b*\n";
    assert!(told.contains(expected), "{told}");
    let both = "targets: [{service: b, role: baseline}, {service: v2, role: candidate}]";
    let told = plan(&mirror(both)).to_string();
    let expected = "  compares the replies of service/shop/v2 with those of service/shop/b\n";
    assert!(told.contains(expected), "{told}");
}
