//! What a head says of its connection, in a copy whose own stays open.

use super::*;

#[test]
fn what_is_said_of_the_clients_connection_is_left_out_if_the_targets_is_to_stay() {
    let reuse = || RewriteConfig {
        reuse: true,
        ..RewriteConfig::default()
    };
    let head =
        |version: &str, lines: &str| format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}X: y\r\n");
    for (before, after) in [
        ("", ""),
        ("Connection: close\r\n", ""),
        ("CONNECTION:ClOsE\r\n", ""),
        ("Connection: keep-alive\r\n", "Connection: keep-alive\r\n"),
        ("Connection:  te ,x\r\n", "Connection:  te ,x\r\n"),
        (
            "Connection: close, TE\r\nTE: trailers\r\n",
            "Connection: TE\r\nTE: trailers\r\n",
        ),
        (
            "Connection: a,close\r\nConnection: close\r\n",
            "Connection: a\r\n",
        ),
    ] {
        let raw = format!("{}\r\n", head("1.1", before));
        let expected = format!("{}{MARK}\r\n", head("1.1", after));
        assert_eq!(rewritten(reuse(), &raw), expected, "{before}");
        with_head(raw.as_bytes(), |head| {
            assert!(to_target(reuse(), None).keeps_connection(head.into()));
            assert!(!to_target(RewriteConfig::default(), None).keeps_connection(head.into()));
        });
    }
    let websocket = "Connection: close, upgrade\r\nUpgrade: websocket\r\n";
    for lines in [head("1.0", "Connection: close\r\n"), head("1.1", websocket)] {
        let raw = format!("{lines}\r\n");
        assert_eq!(rewritten(reuse(), &raw), format!("{lines}{MARK}\r\n"));
        with_head(raw.as_bytes(), |head| {
            assert!(!to_target(reuse(), None).keeps_connection(head.into()));
        });
    }
}
