//! What can't be is refused with a reason that helps.

use std::{
    env, fs, os::unix::fs::PermissionsExt as _, os::unix::process::CommandExt as _,
    process::Command,
};

use mirror_capture::{
    Capture, LiveConfig, Netns, Place, RingKind,
    check::{Question, Verdict, check},
};
use mirror_core::policy::KernelSampling;

use crate::{lab::Lab, watch::Setup};

fn refused(setup: &Setup) -> String {
    match setup.start() {
        Ok(_) => panic!("started"),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn a_missing_interface_is_answered_with_those_of_the_namespace() {
    let Some(lab) = Lab::new() else { return };
    let missing = Setup {
        interface: "wlan7",
        ..Setup::new(&lab.server)
    };
    assert_eq!(
        refused(&missing),
        "no interface `wlan7` here; there is lo, eth0"
    );
}

#[test]
fn a_missing_namespace_is_answered_with_those_that_exist() {
    let Some(lab) = Lab::new() else { return };
    let error = refused(&Setup::new("no-such-netns"));
    assert!(
        error.starts_with("no network namespace `no-such-netns`: "),
        "{error}"
    );
    assert!(error.contains(&lab.server), "{error}");
}

#[test]
fn a_file_that_is_no_namespace_is_named() {
    let Some(_lab) = Lab::new() else { return };
    let file = Netns::Path("/proc/self/status".into()).open().unwrap();
    let (mut capture, _readers) =
        Capture::open(LiveConfig::default(), KernelSampling::default()).unwrap();
    let error = capture.attach(Place::new(file, "eth0", vec![80]));
    assert_eq!(
        error.unwrap_err().to_string(),
        "/proc/self/status is no network namespace"
    );
}

#[test]
fn too_many_ports_or_shards_are_refused() {
    let Some(lab) = Lab::new() else { return };
    let ports = Setup {
        ports: (1..=17).collect(),
        ..Setup::new(&lab.server)
    };
    assert_eq!(
        refused(&ports),
        "17 ports given, and 1 to 16 can be mirrored"
    );
    let shards = Setup {
        live: LiveConfig {
            shards: 65,
            ..LiveConfig::default()
        },
        ..Setup::new(&lab.server)
    };
    assert_eq!(
        refused(&shards),
        "65 shards asked for, and 1 to 64 can be had"
    );
}

#[test]
fn everything_is_found_where_it_is() {
    let Some(lab) = Lab::new() else { return };
    let question = Question {
        interface: Some("eth0".to_owned()),
        netns: Some(Netns::Named(lab.server.clone())),
        ..Question::default()
    };
    for finding in check(&question) {
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
    let refused = |ring| {
        let config = LiveConfig {
            ring,
            ..LiveConfig::default()
        };
        let opened = Capture::open(config, KernelSampling::default());
        format!("{:#}", opened.err().unwrap())
    };
    let bpf = refused(RingKind::Bpf);
    assert!(bpf.starts_with("no permission to capture: CAP_BPF and CAP_NET_ADMIN missing"));
    assert!(refused(RingKind::Perf).contains("CAP_PERFMON"));
    let netns = Netns::Named(netns.to_owned()).open().unwrap();
    let entered = netns.run(|| Ok(())).unwrap_err().to_string();
    assert!(entered.ends_with("needs CAP_SYS_ADMIN"), "{entered}");
    let process = Netns::Process(1).open().unwrap_err().to_string();
    assert!(process.ends_with("CAP_SYS_PTRACE is needed"), "{process}");

    let findings = check(&Question {
        interface: Some("lo".to_owned()),
        ..Question::default()
    });
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
