//! A TrafficMirror that compares: what its status, the verdict and metrics say.

use serde_json::{Value, json};

use crate::{
    documents::web_service,
    node::{Agent, Node},
    told::{conditions, node, status},
    traffic_mirrors::{TRAFFIC_MIRRORS, mirror},
};

/// v1's pods with v2's as candidate, as the document is for the `generation`th time.
fn compares(generation: u32) -> Value {
    let candidate = json!([
        {"selector": {"matchLabels": {"version": "v2"}}, "port": 80, "role": "candidate"},
    ]);
    let named = json!({"targets": candidate, "compare": "v1", "groupPaths": ["/pay/*"]});
    let mut mirror = mirror(&named);
    mirror["metadata"]["generation"] = json!(generation);
    mirror
}

fn wait_for_verdict(node: &Node, agent: &Agent, verdict: &Value, compared: &str) {
    let there = node.api.wait_until(|_| {
        let last = conditions(node).pop();
        status(node)["verdict"] == *verdict && last.as_deref() == Some(compared)
    });
    assert!(there, "{:#}\n{}", status(node), agent.0.stderr());
}

#[test]
fn a_v2_that_fails_on_one_route_differs_in_the_status() {
    let node = node();
    let (v1, v2) = web_service(&node);
    node.api.apply(TRAFFIC_MIRRORS, compares(1));
    let agent = node.agent_with(&["--watch-config"]);
    agent.wait_until_attached("v1", 1);
    node.wait_until_ready(&agent);
    wait_for_verdict(
        &node,
        &agent,
        &json!("NotEnough"),
        "Compared=False/NotEnough",
    );

    for _ in 0..20 {
        node.request(&v1, "/fine");
    }
    v2.wait_for(20);
    v2.answer_with(500);
    for number in 0..40 {
        node.request(&v1, &format!("/pay/{number}"));
    }
    v2.wait_for(60);
    wait_for_verdict(&node, &agent, &json!("Differs"), "Compared=True/Differs");
    let told = status(&node);
    let message = told["conditions"][3]["message"].as_str().unwrap();
    assert!(
        message.starts_with("differs: failures 0 % at the baseline,"),
        "{message}"
    );
    assert!(message.ends_with("worst GET /pay/*"), "{message}");

    // The same, from whom one may ask for more.
    let (code, verdicts) = node.admin("GET", "/verdict", "");
    assert_eq!(code, 409, "{verdicts}");
    let verdicts: Value = serde_json::from_str(&verdicts).unwrap();
    let rule = &verdicts["rules"]["TrafficMirror default/web"];
    assert_eq!(rule["verdict"], "differs", "{verdicts:#}");
    assert!(rule["groups"]["GET /pay/*"].is_array(), "{verdicts:#}");
    let (_, metrics) = node.admin("GET", "/metrics", "");
    let differs = "podmirror_verdict{rule=\"TrafficMirror default/web\",verdict=\"differs\"} 1";
    assert!(metrics.contains(differs), "{metrics}");

    // Another comparison begins with nothing, and one that is not asked for any more leaves no verdict.
    let mut other = compares(2);
    other["spec"]["groupPaths"] = json!(["/fine"]);
    node.api.apply(TRAFFIC_MIRRORS, other);
    wait_for_verdict(
        &node,
        &agent,
        &json!("NotEnough"),
        "Compared=False/NotEnough",
    );
    let mut plain = mirror(&json!({}));
    plain["metadata"]["generation"] = json!(3);
    node.api.apply(TRAFFIC_MIRRORS, plain);
    wait_for_verdict(&node, &agent, &Value::Null, "Degraded=False/AsExpected");
    let ended = agent.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
}

#[test]
fn who_asks_for_v1s_replies_where_they_are_off_is_told() {
    let node = node();
    let (v1, v2) = web_service(&node);
    node.api.apply(TRAFFIC_MIRRORS, compares(1));
    let agent = node.agent_with(&["--watch-config", "--replies", "off"]);
    agent.wait_until_attached("v1", 1);
    wait_for_verdict(&node, &agent, &Value::Null, "Compared=False/RepliesOff");
    assert!(conditions(&node).contains(&"Degraded=True/RepliesOff".to_owned()));
    // It is mirrored all the same.
    node.wait_until_ready(&agent);
    node.request(&v1, "/copied");
    v2.wait_for(1);
    let ended = agent.0.stop().unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
}
