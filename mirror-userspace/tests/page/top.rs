//! `podmirror top`, recorded at a terminal of 80 columns.

use std::{fs, process::Command};

use lab::{Host, Lab};

use crate::{
    browser, call, mirror, mirror_with, serve,
    terminal::{COLUMNS, Terminal},
};

pub(crate) const ADMIN: &str = "127.0.0.1:9090";
const PODMIRROR: &str = env!("CARGO_BIN_EXE_podmirror");

#[test]
fn the_terminal_shows_the_same_in_eighty_columns_with_and_without_colour() {
    let lab = Lab::new().unwrap();
    let _v1 = serve(&lab, Host::V1, "");
    let v2 = serve(&lab, Host::V2, "location /pay { return 503; }");
    let running = mirror_with(&lab, &["--keep-differences", "10"]);
    let shell = format!("{PODMIRROR} top --admin {ADMIN}");
    let mut plain = Terminal::start(&lab.node, &shell, &[("NO_COLOR", "1")]);
    let mut colourful = Terminal::start(&lab.node, &shell, &[]);
    plain.wait("lost: nothing");
    call(&lab, &["/users/7", "/orders/1", "/pay/3"], 100);
    plain.wait("verdict: differs");
    plain.wait("GET /pay: failures 0.0% at v1, 100.0% at v2 (+");
    plain.wait("once in 10^");
    plain.wait("last: GET /pay/3?");
    plain.wait("status 200 at v1, 503 at v2");
    drop(v2);
    call(&lab, &["/orders/1"], 20);
    for terminal in [&plain, &colourful] {
        terminal.wait("replies.failed.connect");
        terminal.wait("Is v2 up, and does the target name its port?");
        let screen = terminal.screen();
        let text = screen.join("\n");
        let row = screen.iter().find(|line| line.starts_with("> flags"));
        assert!(row.unwrap().contains(" 10.77.0.20 "), "{text}");
        assert!(text.contains("SENT/s"), "{text}");
        for line in &screen {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
    }
    fs::create_dir_all(browser::folder()).unwrap();
    fs::write(browser::folder().join("top.txt"), plain.screen().join("\n")).unwrap();

    // `ESC [ 38` sets the colour of the text.
    assert!(!plain.raw().contains("\u{1b}[38"), "{}", plain.raw());
    assert!(colourful.raw().contains("\u{1b}[38"));

    // Without the token nobody tunes over the network, and that is said.
    plain.press("-");
    plain.wait("the sample of flags stays: ");
    // What is typed behind a slash chooses rows.
    plain.press("/nothing\r");
    plain.wait("filter: nothing");
    plain.press("/\u{1b}");
    plain.wait("> flags");

    // Neither the end of the mirror nor its restart ends it; a key does, and gives the terminal back.
    running.stop().unwrap();
    plain.wait("what you see is old: ");
    let again = mirror(&lab);
    plain.wait("lost: nothing");
    for (terminal, key) in [(&mut plain, "q"), (&mut colourful, "\u{3}")] {
        terminal.press(key);
        assert!(terminal.ended().success());
        let raw = terminal.raw();
        let given_back = ["\u{1b}[?25h", "\u{1b}[?1049l"];
        assert!(given_back.iter().all(|code| raw.contains(code)), "{raw:?}");
    }
    again.stop().unwrap();
}

#[test]
fn where_there_is_no_terminal_it_prints_once() {
    let lab = Lab::new().unwrap();
    let top = || {
        let mut command = Command::new(PODMIRROR);
        lab.node
            .output(command.args(["top", "--admin", ADMIN]))
            .unwrap()
    };
    let nobody = top();
    let said = String::from_utf8(nobody.stderr).unwrap();
    assert_eq!(nobody.status.code(), Some(1), "{said}");
    assert!(said.contains("--admin-address 127.0.0.1:9090"), "{said}");
    let running = mirror(&lab);
    let output = top();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(
        text.contains("\n> flags") && text.contains("10.77.0.20"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text:?}");
    running.stop().unwrap();
}

/// Columns that rows are sorted by, as `s` goes through them.
const SORTED: [&str; 4] = ["*SENT/s", "*LOST/s", "*ERRORS", "*RULE"];

#[test]
fn keys_change_the_rate_by_the_socket_sort_and_filter() {
    let lab = Lab::new().unwrap();
    let _servers = [Host::V1, Host::V2].map(|host| serve(&lab, host, ""));
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let socket = socket.to_str().unwrap();
    let running = mirror_with(&lab, &["--admin-socket", socket, "--max-rps", "1"]);
    let shell = format!("{PODMIRROR} top --admin {socket}");
    let mut terminal = Terminal::start(&lab.node, &shell, &[("NO_COLOR", "1")]);
    terminal.wait("> flags        10.77.0.20          100 %");
    for (key, rate) in [
        ("-", "75"),
        ("-", "50"),
        ("+", "75"),
        ("0", "0"),
        ("+", "1"),
    ] {
        terminal.press(key);
        terminal.wait(&format!("the sample of flags is {rate} % now"));
        terminal.wait(&format!("> flags        10.77.0.20         {rate:>3}.0%"));
    }
    let rate = || {
        let mut command = Command::new(PODMIRROR);
        let set = ["set", "sample-rate", "100%", "--admin-socket", socket];
        assert!(command.args(set).status().unwrap().success());
    };
    rate();
    terminal.wait("> flags        10.77.0.20          100 %");
    for column in SORTED {
        terminal.press("s");
        terminal.wait(column);
    }
    terminal.press("/10.77\r");
    terminal.wait("filter: 10.77");
    terminal.wait("> flags");
    // What is lost shows with its reason while a filter is set.
    call(&lab, &["/orders/1"], 20);
    terminal.wait("requests.dropped.max_rps");
    terminal.wait("Raise --max-rps");
    terminal.press("q");
    assert!(terminal.ended().success());
    running.stop().unwrap();
}
