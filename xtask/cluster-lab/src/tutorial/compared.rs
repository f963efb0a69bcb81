//! v2 is compared with v1 for a TrafficMirror: what the agents of all nodes have counted is one verdict in its status.

use anyhow::Result;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    objects::{FAILING, text},
    scene::Scene,
};

/// Of how many requests one may be missing in a verdict: pods that are new, and figures of two digits.
const FEW: usize = 20;

/// Asks for a comparison, first while v2 does as well as v1, then while it does not.
pub(super) async fn play(scene: &mut Scene<'_>, mirror: &Value) -> Result<()> {
    let target = |role: Value| json!([{"service": "web-v2", "percent": 100, "role": role}]);
    let spec = json!({"compare": "v1", "targets": target(json!("candidate"))});
    let (cluster, asked) = (scene.cluster, scene.options.requests as usize);
    cluster.change(mirror, &json!({"spec": spec})).await?;
    scene.wait_for_rate("TrafficMirror", 100).await?;

    scene
        .requests("act-equal", 100, "compared with v1, as which v2 does")
        .await?;
    let no_difference = ["NotEnough", "Same"];
    judged(scene, mirror, &no_difference, "failures", asked).await?;

    scene
        .requests(FAILING, 100, "compared with v1, while v2 fails")
        .await?;
    let failing = "failures 0 % at the baseline, 50 % at the candidate";
    judged(scene, mirror, &["Differs"], failing, 2 * asked).await?;

    // A merge takes what is null away.
    let spec = json!({"compare": null, "targets": target(Value::Null)});
    cluster.change(mirror, &json!({"spec": spec})).await?;
    let gone = |object: &Value| {
        let status = object.get("status")?;
        (condition(status).is_none() && status.get("verdict").is_none()).then_some(())
    };
    cluster.wait_until(mirror, "its verdict to go", gone).await
}

/// Waits for one of these verdicts, with these words, on so many requests: those of all nodes.
async fn judged(
    scene: &mut Scene<'_>,
    mirror: &Value,
    verdicts: &[&str],
    words: &str,
    requests: usize,
) -> Result<()> {
    let start = Instant::now();
    let judged = |object: &Value| {
        let status = object.get("status")?;
        let condition = condition(status)?;
        let [verdict, reason, message] = [
            text(status, "/verdict"),
            text(condition, "/reason"),
            text(condition, "/message"),
        ];
        let is_of_all = compared(message).is_some_and(|it| it * FEW >= requests * (FEW - 1));
        let is_it = verdicts.contains(&verdict) && verdict == reason && message.contains(words);
        (is_it && is_of_all).then(|| message.to_owned())
    };
    let what = format!("{} on {requests} requests: {words}", verdicts.join(" or "));
    let message = scene.cluster.wait_until(mirror, &what, judged).await?;
    let seconds = start.elapsed().as_secs_f64();
    scene.tell(
        true,
        format!("after {seconds:.1} s its status says {message}"),
    );
    Ok(())
}

fn condition(status: &Value) -> Option<&Value> {
    let mut conditions = status.get("conditions")?.as_array()?.iter();
    conditions.find(|it| text(it, "/type") == "Compared")
}

/// The number before `requests`.
fn compared(message: &str) -> Option<usize> {
    let (before, _) = message.split_once(" requests")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_how_many_were_compared() {
        for (message, expected) in [
            (
                "not enough yet: 400 requests say nothing sure of failures",
                Some(400),
            ),
            (
                "differs: failures 0 % at the baseline, 50 % at the candidate; of 800 requests, worst /act-fails/1",
                Some(800),
            ),
            ("same: failures, of 12000 requests", Some(12_000)),
            ("replies are not read", None),
            ("no requests", None),
        ] {
            assert_eq!(compared(message), expected, "{message}");
        }
    }
}
