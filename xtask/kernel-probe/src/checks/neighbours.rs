//! Somebody else's filter at the same hook goes on working, and stays.

use std::process::Command;

use anyhow::{Result, ensure};
use lab::{Family, Lab, Namespace};

use crate::{
    boot::Machine,
    report::{Check, Outcome},
    scene::{Hook, Scene, balanced},
};

pub(super) fn all() -> Vec<Check> {
    let check = |hook: Hook| {
        let name = format!("beside u32 {}", hook.name());
        Check::new(name, move |_: &Machine| beside_u32(hook))
    };
    let mut checks: Vec<_> = Hook::BOTH.map(check).into();
    for (verdict, action) in VERDICTS {
        let name = format!("behind a filter: {verdict}");
        checks.push(Check::new(name, move |machine: &Machine| {
            behind(action, machine)
        }));
    }
    checks
}

/// What programs of networks do with packets to a pod, and how a filter of `tc` does it.
const VERDICTS: [(&str, &str); 3] = [
    ("OK", "pass"),
    ("drop", "drop"),
    ("redirect", "mirred egress redirect dev lo"),
];

/// Somebody's filter was first at the hook, and ends what is done there. By tcx we are before it
/// all the same; by filter we see nothing.
fn behind(action: &str, machine: &Machine) -> Result<Outcome> {
    let scene = Scene::new(Family::V4)?;
    let hook = Hook::Ingress;
    let (_, interface) = hook.place(&scene.lab);
    tc(
        &scene.lab,
        hook,
        &format!("qdisc add dev {interface} clsact"),
    )?;
    let matched = "protocol ip u32 match ip protocol 6 0xff";
    tc(
        &scene.lab,
        hook,
        &format!("filter add dev {interface} ingress pref 1 {matched} action {action}"),
    )?;
    let mirror = scene.mirror(hook, &[])?;
    let reached = scene.knock().is_ok();
    ensure!(
        reached == (action == "pass"),
        "v1 was reached: {reached}, by {action}"
    );
    let ended = mirror.stop()?;
    let copied = balanced(&ended)?.count("/segments/copied")?;
    let seen = copied > 0;
    ensure!(
        seen == machine.has(6, 6),
        "{copied} segments copied behind {action}"
    );
    let said = if seen { "seen" } else { "not seen" };
    Ok(Outcome::Passed(said.to_owned()))
}

/// A filter that lets every packet pass, before and after ours comes and goes.
fn beside_u32(hook: Hook) -> Result<Outcome> {
    let scene = Scene::new(Family::V4)?;
    let (_, interface) = hook.place(&scene.lab);
    tc(
        &scene.lab,
        hook,
        &format!("qdisc add dev {interface} clsact"),
    )?;
    let side = hook.name();
    tc(
        &scene.lab,
        hook,
        &format!(
            "filter add dev {interface} {side} pref 100 protocol ip u32 match u32 0 0 action pass"
        ),
    )?;
    let before = filters(&scene.lab, hook)?;
    ensure!(before.contains("u32"), "no filter of theirs: {before}");
    let sent = scene.all_mirrored(hook, &[])?;
    let after = filters(&scene.lab, hook)?;
    ensure!(before == after, "before:\n{before}\nafter:\n{after}");
    Ok(Outcome::Passed(format!("{sent} requests, theirs stays")))
}

/// What `tc` says of the hook.
pub(super) fn filters(lab: &Lab, hook: Hook) -> Result<String> {
    let (_, interface) = hook.place(lab);
    tc(
        lab,
        hook,
        &format!("filter show dev {interface} {}", hook.name()),
    )
}

fn tc(lab: &Lab, hook: Hook, words: &str) -> Result<String> {
    let (namespace, _) = hook.place(lab);
    tc_in(namespace, words)
}

/// Runs `tc` in a namespace, and returns what it prints.
pub(super) fn tc_in(namespace: &Namespace, words: &str) -> Result<String> {
    let output = namespace.output(Command::new("tc").args(words.split_whitespace()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "tc {words}: {}", said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
