//! The sample rate on the page: for who has the token, on the page itself.

use super::*;

async fn tunable() -> Server {
    let (server, questions) = server_whose_page(patient(), true).await;
    tokio::spawn(Owner::new().run(questions));
    server
}

fn put_at(at: SocketAddr, lines: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "PUT /sample-rate HTTP/1.1\r\nHost: {at}\r\n{lines}Content-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn with_the_token_the_page_itself_changes_it() {
    let admin = tunable().await;
    let at = admin.page();
    let lines = format!(
        "Origin: http://{at}\r\nSec-Fetch-Site: same-origin\r\nx-podmirror-token: {SECRET}\r\n"
    );
    let reply = exchange(at, put_at(at, &lines, "25%\tflags").as_bytes())
        .await
        .unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(reply.body.starts_with("25 %\tflags\t"), "{}", reply.body);
    let reply = exchange(at, put_at(at, &lines, "200%\tflags").as_bytes())
        .await
        .unwrap();
    assert_eq!(reply.status, 400);
    let reply = exchange(at, put_at(at, &lines, "1%\tnone").as_bytes())
        .await
        .unwrap();
    assert_eq!(reply.status, 404);
    assert!(
        get(admin.address(), "/sample-rate")
            .await
            .body
            .starts_with("25 %\t")
    );
}

#[tokio::test]
async fn nobody_else_does() {
    let admin = tunable().await;
    let at = admin.page();
    let own = format!("Origin: http://{at}\r\n");
    let token = format!("x-podmirror-token: {SECRET}\r\n");
    for lines in [
        own.clone(),
        token.clone(),
        format!("{own}x-podmirror-token: {SECRET}x\r\n"),
        format!("{token}Origin: http://evil.example\r\n"),
        format!("{token}Origin: null\r\n"),
        format!("{token}Origin: https://{at}\r\n"),
        format!("{token}{own}Origin: http://evil.example\r\n"),
        format!("{token}{own}Sec-Fetch-Site: cross-site\r\n"),
        format!("{token}{own}Sec-Fetch-Site: same-site\r\n"),
        format!("{token}{own}x-mirrored-by: podmirror\r\n"),
    ] {
        let reply = exchange(at, put_at(at, &lines, "0").as_bytes())
            .await
            .unwrap();
        assert_eq!(reply.status, 403, "{lines}");
    }
    let named = put_at(at, &format!("{token}Origin: http://evil.example\r\n"), "0");
    let named = named.replace(&format!("Host: {at}"), "Host: evil.example");
    assert_eq!(exchange(at, named.as_bytes()).await.unwrap().status, 421);
    assert!(
        get(admin.address(), "/sample-rate")
            .await
            .body
            .starts_with("100 %\t")
    );
}

#[tokio::test]
async fn without_the_flag_nothing_can_be_changed_there() {
    let admin = answered(patient(), Owner::new()).await;
    let at = admin.page();
    let lines = format!("Origin: http://{at}\r\nx-podmirror-token: {SECRET}\r\n");
    let reply = exchange(at, put_at(at, &lines, "0").as_bytes())
        .await
        .unwrap();
    assert_eq!(reply.status, 405);
    let look = format!("HEAD /sample-rate HTTP/1.1\r\nHost: {at}\r\n\r\n");
    assert_eq!(exchange(at, look.as_bytes()).await.unwrap().status, 404);
}
