//! Targets that are themselves mirrored.

use serde_json::json;

use crate::{
    documents::web_service,
    told::{EVENTS, node, status, wait_for_conditions, writes},
    traffic_mirrors::{TRAFFIC_MIRRORS, mirror},
};

/// As where blue and green change places: endpoints are compared, not names.
#[test]
fn that_a_target_is_itself_a_source_is_in_its_status_and_in_an_event() {
    let node = node();
    let (v1, v2) = web_service(&node);
    let both = json!([{"selector": {"matchLabels": {"app": "web"}}, "port": 80}]);
    node.api
        .apply(TRAFFIC_MIRRORS, mirror(&json!({"targets": both})));
    let agent = node.agent_with(&["--watch-config"]);
    agent.wait_until_attached("v1", 1);
    let partly = [
        "Accepted=True/Accepted",
        "Attached=True/AllPods",
        "Degraded=False/TargetIsPartlySource",
    ];
    wait_for_conditions(&node, &agent, &partly);
    node.request(&v1, "/to/v2");
    assert_eq!(v2.wait_for(1)[0].target(), "/to/v2");
    assert_eq!(v1.count(), 1, "no copy comes to whom was asked");
    node.forget("v2");
    let all = [
        "Accepted=True/Accepted",
        "Attached=True/AllPods",
        "Degraded=True/TargetIsSource",
    ];
    wait_for_conditions(&node, &agent, &all);
    let why = status(&node)["conditions"][2]["message"].to_string();
    assert!(why.contains("whose requests are mirrored"), "{why}");
    let told = || {
        let events = node.api.objects(EVENTS);
        events
            .iter()
            .any(|event| event["reason"] == "TargetIsSource")
    };
    assert!(node.api.wait_until(|_| told()), "{}", agent.0.stderr());
    let writes = writes(&node, "/events");
    assert!(
        writes.iter().all(|write| write.method == "POST"),
        "{writes:#?}"
    );
    agent.0.stop().unwrap();
}
