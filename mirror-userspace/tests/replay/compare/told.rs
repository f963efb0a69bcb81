//! How verdicts are told: by values, by page, by file.

use serde_json::{Value, json};

use super::{ANY_LATENCY, compare, planted, traffic};
use crate::{
    capture::{Capture, get},
    loopback::version,
    program::{Ended, replay},
    versions::Answer,
};

#[test]
fn of_differences_the_last_are_kept_with_their_values_if_asked_for() {
    let plant = |answer: &mut Answer| {
        answer.fields[1].1 = "secret".to_owned();
        answer.body = br#"{"total":4}"#.to_vec();
    };
    let kept = |ended: &Ended| {
        ended.ledger["verdict"]["differences"]
            .as_array()
            .unwrap()
            .clone()
    };
    assert_eq!(kept(&planted(plant, &[])).len(), 0);
    let ended = planted(
        plant,
        &["--keep-differences", "3", "--redact-header", "x-total"],
    );
    let kept = kept(&ended);
    assert_eq!(kept.len(), 3);
    for difference in &kept {
        assert!(
            difference["request"]
                .as_str()
                .unwrap()
                .starts_with("GET /pay/")
        );
        let values = difference["values"].as_array().unwrap();
        let of = |field: &str| values.iter().find(|it| it["field"] == field).unwrap();
        assert_eq!(of("json $.total")["candidate"], "4");
        assert_eq!(of("json $.tags")["candidate"], Value::Null);
        assert_eq!(of("header x-total")["baseline"], "redacted");
    }
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the requests were redacted"),
        "{}",
        ended.stderr
    );
}

#[test]
fn writes_are_told_apart_and_can_be_left_out() {
    let mut capture = Capture::new();
    let mut client = capture.connect(1);
    for _ in 0..3 {
        capture.say(&mut client, get("/a"));
        capture.say(
            &mut client,
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        );
    }
    let file = capture.bytes();
    let [ours, theirs] = ["baseline", "candidate"]
        .map(|role| format!("{},role={role}", version(|_| Answer::good())));
    let targets = ["--speed", "max", "--target", &ours, "--target", &theirs];
    let ended = replay(&file, &targets).balanced();
    assert_eq!(
        ended.ledger["verdict"]["methods"],
        json!({"safe": 3, "changing": 3})
    );
    assert!(
        ended.stderr.contains("3 of the requests may change state"),
        "{}",
        ended.stderr
    );
    let ended = replay(&file, &[&targets[..], &["--safe-methods"]].concat()).balanced();
    assert_eq!(
        ended.ledger["verdict"]["methods"],
        json!({"safe": 3, "changing": 0})
    );
}

#[test]
fn a_page_about_nothing_is_refused() {
    for flags in [
        &["--report", "out.html"][..],
        &["--report", "out.html", "--target", "http://a"],
    ] {
        let ended = replay(&traffic(1), flags);
        assert_eq!(ended.code, Some(2));
        assert!(
            ended.stderr.contains("nothing is compared"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_third_baseline_is_refused() {
    let target = "http://127.0.0.1:1,role=baseline";
    let targets = ["--target"; 3].map(|flag| [flag, target]).concat();
    let ended = replay(&traffic(1), &targets);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("two have role=baseline"),
        "{}",
        ended.stderr
    );
}

/// A folder with a file of this name.
fn in_folder(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_page_says_what_was_compared_and_escapes_what_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let page = in_folder(&folder, "out.html");
    let [ours, theirs] = ["<b>1", "<script>alert(1)</script>"].map(|value| {
        version(move |_| {
            let mut answer = Answer::of(&json!({"<i>": value}));
            answer.fields.push(("X-Only", value.to_owned()));
            answer
        })
    });
    // Two targets of a replay need no roles.
    let targets = ["--target", &ours, "--target", &theirs, "--speed", "max"];
    let flags = [
        "--report",
        &page,
        "--compare-rate",
        "100%",
        "--keep-differences",
        "2",
    ];
    replay(
        &traffic(5),
        &[targets, flags[..6].try_into().unwrap()].concat(),
    )
    .balanced();
    let html = std::fs::read_to_string(&page).unwrap();
    for text in [
        "The candidate: <span class=not>not enough yet</span>",
        "10 requests compared, 0 not",
        ",role=candidate</code>",
        "<td>GET /pay<td>failures<td>",
        "<code>header x-only</code>",
        "<code>json $[&quot;&lt;i&gt;&quot;]</code>",
        "<td><code>&lt;script&gt;alert(1)&lt;/script&gt;</code>",
        "a second target with",
        "at most 0.05",
    ] {
        assert!(html.contains(text), "{text} in {html}");
    }
    for text in ["<script", "<b>", "<i>1", "http-equiv", "src=", "href="] {
        assert!(!html.contains(text), "{text} in {html}");
    }
}

#[test]
fn verdicts_of_several_nodes_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let good = version(|_| Answer::good());
    let candidate = version(|target| {
        let number: usize = target.rsplit('/').next().unwrap().parse().unwrap();
        let mut answer = Answer::good();
        answer.status = if number.is_multiple_of(25) { 503 } else { 200 };
        answer
    });
    let files: Vec<_> = (0..3)
        .map(|node| in_folder(&folder, &format!("{node}.json")))
        .collect();
    for file in &files {
        let flags = [&ANY_LATENCY[..], &["--verdict-json", file]].concat();
        let ended = compare(100, &candidate, &[&good], &flags);
        assert_eq!(ended.ledger["verdict"]["verdict"], "not enough yet");
    }
    let add = |files: &[&String]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_podmirror"))
            .args(["verdict", "--add"])
            .args(files)
            .output()
            .unwrap();
        let found = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (
            output.status.code(),
            found,
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, found, _) = add(&files.iter().collect::<Vec<_>>());
    assert_eq!(
        (code, &found["verdict"], &found["compared"]),
        (Some(1), &json!("differs"), &json!(600))
    );
    let (code, found, _) = add(&[&files[0]]);
    assert_eq!((code, &found["compared"]), (Some(3), &json!(200)));
    // What an agent says has rules.
    let rules = in_folder(&folder, "rules.json");
    let read =
        |file: &String| serde_json::from_slice::<Value>(&std::fs::read(file).unwrap()).unwrap();
    let agent = json!({"verdict": "not enough yet", "rules": {"web": read(&files[0]), "api": read(&files[1])}});
    std::fs::write(&rules, agent.to_string()).unwrap();
    let (code, found, _) = add(&[&rules, &rules]);
    assert_eq!(
        (code, &found["rules"]["web"]["compared"]),
        (Some(1), &json!(400))
    );
    // What can't be added up is refused, with its reason.
    for (change, reason) in [
        (json!({"alpha": 0.01}), "other terms"),
        (json!({"counts": {"not_compared": u64::MAX}}), "2^53"),
        (json!({"counts": 1}), "no verdict with its counts"),
    ] {
        let mut bad = read(&files[0]);
        for (key, value) in change.as_object().unwrap() {
            bad[key] = value.clone();
        }
        let file = in_folder(&folder, "bad.json");
        std::fs::write(&file, bad.to_string()).unwrap();
        let (code, _, said) = add(&[&files[1], &file]);
        assert_eq!(code, Some(4));
        assert!(said.contains(reason) && said.contains("bad.json"), "{said}");
    }
    let (code, _, said) = add(&[&files[0], &rules]);
    assert_eq!(code, Some(4), "{said}");
}
