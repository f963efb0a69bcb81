//! What a rule's limits are, by its document and the flags.

use std::num::NonZeroU32;

use mirror_capture::LiveConfig;
use mirror_core::{pipeline::Limits, verdict::Terms};
use mirror_dispatch::{DispatchConfig, SharedCap};
use mirror_kubernetes::plan::{Compare, Scope};

use super::{super::Rooms, *};

/// What a rule without pods yet is told, as the flags have it.
fn common(back_off: bool, shards: u32, max_rps: Option<f64>) -> MirrorConfig {
    MirrorConfig {
        capture: LiveConfig {
            shards,
            ..LiveConfig::default()
        },
        limits: Limits::default(),
        dispatch: DispatchConfig {
            back_off,
            max_rps: max_rps.map(|most| SharedCap::new(most, shards as usize)),
            ..DispatchConfig::default()
        },
        terms: Terms::default(),
        rooms: Rooms::default(),
        sharing: Sharing::default(),
    }
}

fn rule(back_off: Option<bool>, max_rps: Option<u32>) -> Rule {
    Rule {
        name: "TrafficMirror shop/web".into(),
        tenant: Some("shop".into()),
        source: Source::Pods {
            scope: Scope::All,
            selector: "app=web".parse().unwrap(),
            ports: vec![80],
        },
        policy: mirror_core::policy::PolicyConfig::default(),
        sample_by: None,
        max_rps: max_rps.and_then(NonZeroU32::new),
        back_off,
        targets: vec!["http://192.0.2.1".parse().unwrap()],
        compare: Compare::default(),
    }
}

#[tokio::test]
async fn a_document_chooses_whether_overloaded_targets_get_less_and_the_flags_where_it_does_not() {
    for flags in [true, false] {
        let backs_off = |mirror: &RuleMirror| mirror.config().dispatch.back_off;
        let common = common(flags, 2, None);
        for own in [None, Some(true), Some(false)] {
            let mut mirror = RuleMirror::new(&rule(own, None), &common, None).unwrap();
            assert_eq!(backs_off(&mirror), own.unwrap_or(flags), "{flags} {own:?}");
            for later in [Some(false), None, Some(true)] {
                mirror.change(&rule(later, None)).await.unwrap();
                assert_eq!(backs_off(&mirror), later.unwrap_or(flags));
            }
        }
    }
}

#[tokio::test]
async fn what_this_node_sends_at_most_is_shown() {
    let portion = Portion { own: 1, all: 4 };
    for (own, flags, expected) in [
        (None, None, None),
        (Some(100), None, Some(25.0)),
        (None, Some(20.0), Some(5.0)),
    ] {
        // Of 11 and of 13 shards the parts do not add up to it.
        for shards in 1..=64 {
            let rule = rule(None, own);
            let common = common(true, shards, flags);
            let mut mirror = RuleMirror::new(&rule, &common, None).unwrap();
            mirror.set_portion(&rule.source, portion).await;
            let cap = mirror.snapshot().await.unwrap().cap;
            assert_eq!(cap, expected, "{shards}");
        }
    }
}
