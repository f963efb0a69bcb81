//! What can't be is refused with a reason that helps.

use std::{
    env, fs, os::unix::fs::PermissionsExt as _, os::unix::process::CommandExt as _,
    process::Command,
};

use podmirror::capture::{
    Capture, LiveConfig, Netns, RingKind,
    check::{Verdict, check},
};

use crate::{config, lab::Lab};

fn refused(config: &LiveConfig) -> String {
    match Capture::start(config) {
        Ok(_) => panic!("started"),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn a_missing_interface_is_answered_with_those_of_the_namespace() {
    let Some(lab) = Lab::new() else { return };
    let missing = LiveConfig {
        interface: "wlan7".to_owned(),
        ..config(&lab.server)
    };
    assert_eq!(
        refused(&missing),
        "no interface `wlan7` here; there is lo, eth0"
    );
}

#[test]
fn a_missing_namespace_is_answered_with_those_that_exist() {
    let Some(lab) = Lab::new() else { return };
    let error = refused(&config("no-such-netns"));
    assert!(
        error.starts_with("no network namespace `no-such-netns`: "),
        "{error}"
    );
    assert!(error.contains(&lab.server), "{error}");
}

#[test]
fn a_file_that_is_no_namespace_is_named() {
    let Some(_lab) = Lab::new() else { return };
    let file = LiveConfig {
        netns: Some(Netns::Path("/proc/self/status".into())),
        ..LiveConfig::new("eth0", vec![80])
    };
    assert_eq!(refused(&file), "/proc/self/status is no network namespace");
}

#[test]
fn too_many_ports_or_shards_are_refused() {
    let Some(lab) = Lab::new() else { return };
    let ports = LiveConfig {
        ports: (1..=17).collect(),
        ..config(&lab.server)
    };
    assert_eq!(
        refused(&ports),
        "17 ports given, and 1 to 16 can be mirrored"
    );
    let shards = LiveConfig {
        shards: 65,
        ..config(&lab.server)
    };
    assert_eq!(
        refused(&shards),
        "65 shards asked for, and 1 to 64 can be had"
    );
}

#[test]
fn everything_is_found_where_it_is() {
    let Some(lab) = Lab::new() else { return };
    let netns = Netns::Named(lab.server.clone());
    for finding in check(Some("eth0"), Some(&netns)) {
        assert_ne!(finding.verdict, Verdict::Missing, "{finding:?}");
    }
}

#[test]
fn without_permission_the_missing_capabilities_are_named() {
    const CHILD: &str = "PODMIRROR_TEST_NETNS_WITHOUT_PERMISSION";
    if let Ok(netns) = env::var(CHILD) {
        return refusals_of_nobody(&netns);
    }
    let Some(lab) = Lab::new() else { return };
    // Somewhere where nobody may run it.
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("attach");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let output = Command::new(program)
        .args([
            "--exact",
            "refuse::without_permission_the_missing_capabilities_are_named",
        ])
        .env(CHILD, &lab.server)
        .uid(65_534)
        .gid(65_534)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "{output:?}"
    );
}

/// In a process without any capability.
fn refusals_of_nobody(netns: &str) {
    let own = LiveConfig::new("lo", vec![80]);
    assert!(
        refused(&own).starts_with("no permission to capture: CAP_BPF and CAP_NET_ADMIN missing")
    );
    let perf = LiveConfig {
        ring: RingKind::Perf,
        ..own
    };
    assert!(refused(&perf).contains("CAP_PERFMON"));
    let named = refused(&config(netns));
    assert!(named.ends_with("needs CAP_SYS_ADMIN"), "{named}");
    let process = refused(&LiveConfig {
        netns: Some(Netns::Process(1)),
        ..LiveConfig::new("lo", vec![80])
    });
    assert!(process.ends_with("CAP_SYS_PTRACE is needed"), "{process}");

    let findings = check(Some("lo"), None);
    let verdict = |name| {
        findings
            .iter()
            .find(|finding| finding.name == name)
            .unwrap()
            .verdict
    };
    assert_eq!(verdict("CAP_BPF"), Verdict::Missing);
    assert_eq!(verdict("CAP_SYS_ADMIN"), Verdict::Lesser);
    assert_eq!(verdict("interface"), Verdict::Good);
}
