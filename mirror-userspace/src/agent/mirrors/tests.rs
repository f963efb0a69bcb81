//! What a rule's mirror is made of: the operator's flags, and what a document may say beside them.

use mirror_core::{
    budget::Pool,
    policy::{PolicyConfig, RewriteConfig},
    verdict::Bounds,
};
use mirror_kubernetes::plan::{Compare, Scope};

use super::*;

fn mirrors(replies: bool) -> Mirrors {
    let mut config = MirrorConfig {
        capture: LiveConfig::default(),
        limits: Limits::default(),
        dispatch: DispatchConfig::default(),
        terms: Terms::default(),
        rooms: Rooms::default(),
        sharing: Sharing::Shared,
    };
    config.capture.reply_head = if replies { 512 } else { 0 };
    config.dispatch.groups = vec!["/flags".parse().unwrap()];
    config.dispatch.contents.keep = 1_000;
    config.dispatch.contents.redacted = vec!["x-operator".parse().unwrap()];
    let node = Node {
        proc: "/proc".into(),
        host: mirror_capture::Netns::Path("/proc/self/ns/net".into()),
        attach: mirror_kubernetes::cluster::AttachAt::default(),
    };
    Mirrors::new(config, node, false)
}

/// Of a namespace's document, or of the flags; it compares with v1, or not at all.
fn rule(tenant: Option<&str>, v1: bool) -> Rule {
    let target = match v1 {
        true => "http://v2,role=candidate",
        false => "http://v2",
    };
    Rule {
        name: "web".to_owned(),
        tenant: tenant.map(str::to_owned),
        source: Source::Pods {
            scope: Scope::All,
            selector: mirror_core::destination::LabelSelector::default(),
            ports: vec![80],
        },
        policy: PolicyConfig {
            rewrite: RewriteConfig {
                redact_fields: vec!["cookie".parse().unwrap()],
                ..RewriteConfig::default()
            },
            ..PolicyConfig::default()
        },
        sample_by: None,
        max_rps: None,
        back_off: None,
        targets: vec![target.parse().unwrap()],
        compare: Compare {
            v1,
            groups: Vec::new(),
        },
    }
}

/// The mirror of this rule alone.
fn with(replies: bool, rule: &Rule) -> Mirrors {
    let mut mirrors = mirrors(replies);
    mirrors.add(RuleId(1), rule).unwrap();
    mirrors
}

fn only(mirrors: &Mirrors) -> &RuleMirror {
    &mirrors.mirrors[&RuleId(1)]
}

#[test]
fn a_documents_comparison_is_paid_for_by_its_namespace() {
    let mut mirrors = with(true, &rule(Some("shop"), true));
    let part = mirrors.room.part("shop");
    let config = only(&mirrors).config();
    let contents = &config.dispatch.contents;
    let limit = |pool: &Option<Pool>| pool.as_ref().unwrap().limit();
    assert_eq!(limit(&config.limits.pool), part.copies.limit());
    assert_eq!(limit(&contents.pool), part.copies.limit() / 4);
    assert_eq!((contents.bounds, contents.keep), (Bounds::SMALL, 16));
    let compares = only(&mirrors).bytes(Sharing::Shared);
    let plain = with(true, &rule(Some("shop"), false));
    assert_eq!(compares - only(&plain).bytes(Sharing::Shared), 4 << 20);

    let of_flags = with(true, &rule(None, true));
    let contents = &only(&of_flags).config().dispatch.contents;
    assert!(contents.pool.is_none());
    assert_eq!((contents.bounds, contents.keep), (Bounds::default(), 1_000));
}

#[test]
fn each_rule_is_compared_as_it_says() {
    let compares = with(true, &rule(Some("shop"), true));
    let config = only(&compares).config();
    assert!(config.dispatch.compare_v1 && config.names().terms.is_some());
    assert_eq!(config.dispatch.groups[0].to_string(), "/flags");
    // Of the replies that are kept, neither the operator's nor the document's are shown.
    let redacted = config.dispatch.contents.redacted.iter();
    let redacted: Vec<_> = redacted.map(ToString::to_string).collect();
    assert_eq!(redacted, ["x-operator", "cookie"]);
    assert!(config.terms.conditions.redacted && !config.terms.conditions.rewritten);

    let plain = with(true, &rule(Some("shop"), false));
    let config = only(&plain).config();
    assert!(!config.dispatch.compare_v1 && config.names().terms.is_none());

    let grouped = Rule {
        compare: Compare {
            v1: true,
            groups: vec!["/own".parse().unwrap()],
        },
        ..rule(Some("shop"), true)
    };
    let grouped = with(true, &grouped);
    let groups = &only(&grouped).config().dispatch.groups;
    assert_eq!((groups.len(), groups[0].to_string().as_str()), (1, "/own"));

    let blind = with(false, &rule(Some("shop"), true));
    let config = only(&blind).config();
    assert!(!config.dispatch.compare_v1 && config.names().terms.is_none());

    // Nor with a baseline that is there beside v1: nobody asked for that.
    let both = |v1| {
        let mut rule = rule(Some("shop"), v1);
        rule.targets = [
            "http://192.0.2.1,role=baseline",
            "http://192.0.2.2,role=candidate",
        ]
        .map(|target| target.parse().unwrap())
        .into();
        rule
    };
    for (replies, v1, compared) in [
        (false, true, false),
        (true, true, true),
        (false, false, true),
    ] {
        let rule = both(v1);
        let mirrors = with(replies, &rule);
        let config = only(&mirrors).config();
        assert_eq!(config.names().terms.is_some(), compared, "{replies} {v1}");
        let roles = config
            .sink
            .targets()
            .iter()
            .filter(|it| it.spec.role.is_some());
        assert_eq!(roles.count() > 0, compared);
        assert_eq!(mirrors.compares(&rule), compared);
        assert_eq!(only(&mirrors).compares, compared);
    }
}
