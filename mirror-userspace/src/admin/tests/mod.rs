//! A real server on loopback, its mirrors made up, its clients as rude as can be.

mod buckets;
mod dashboard;
mod differences;
mod exposition;
mod hostile;
mod lost;
mod owner;
mod page;
mod page_tuning;
mod pages;
mod paths;
mod rollouts;
mod socket;
mod tuning;

use std::{fs, io, net::SocketAddr, path::PathBuf, time::Duration};

use owner::Owner;
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{Admin, AdminConfig, Listen, Questions, limits::Limits};

/// What those bear who tune over the network.
const SECRET: &str = "correct horse battery staple";

/// A server on loopback that knows the token.
struct Server {
    admin: Admin,
    folder: TempDir,
}

impl Server {
    fn address(&self) -> SocketAddr {
        self.admin.address().unwrap()
    }

    fn page(&self) -> SocketAddr {
        self.admin.page_address().unwrap()
    }

    fn token_file(&self) -> PathBuf {
        self.folder.path().join("token")
    }
}

/// A server within these limits, and who would answer for it.
async fn server(limits: Limits) -> (Server, Questions) {
    server_whose_page(limits, false).await
}

/// The same, on whose page one tunes or not.
async fn server_whose_page(limits: Limits, page_tunes: bool) -> (Server, Questions) {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, format!("{SECRET}\n")).unwrap();
    let config = AdminConfig {
        listen: Some(Listen::At("127.0.0.1:0".parse().unwrap())),
        token: Some(token),
        page: Some(Listen::At("127.0.0.1:0".parse().unwrap())),
        page_tunes,
        ..AdminConfig::default()
    };
    let (admin, questions) = Admin::within(limits, config).await.unwrap();
    (Server { admin, folder }, questions)
}

/// A server whose questions are answered.
async fn answered(limits: Limits, owner: Owner) -> Server {
    let (server, questions) = server(limits).await;
    tokio::spawn(owner.run(questions));
    server
}

/// Limits that no test waits for.
fn patient() -> Limits {
    Limits {
        connection_time: Duration::from_secs(60),
        ready_time: Duration::from_secs(60),
        answer_time: Duration::from_secs(60),
        metrics_age: Duration::ZERO,
        ..Limits::default()
    }
}

/// An answer, as far as it came.
#[derive(Debug, PartialEq, Eq)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

/// Sends these bytes, and reads to the end.
async fn exchange(to: SocketAddr, bytes: &[u8]) -> io::Result<Reply> {
    exchange_on(TcpStream::connect(to).await?, bytes).await
}

async fn exchange_on(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    bytes: &[u8],
) -> io::Result<Reply> {
    // A server that has enough answers before it has all.
    let _refused = stream.write_all(bytes).await;
    read_reply(&mut stream).await
}

/// One request without a body.
async fn ask(to: SocketAddr, method: &str, path: &str) -> Reply {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    exchange(to, request.as_bytes()).await.unwrap()
}

async fn get(to: SocketAddr, path: &str) -> Reply {
    ask(to, "GET", path).await
}

/// A PUT of this body with the token.
fn put(body: &str) -> Vec<u8> {
    put_with(&format!("Authorization: Bearer {SECRET}\r\n"), body)
}

/// A PUT of this body with these field lines.
fn put_with(lines: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("PUT /sample-rate HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {length}\r\n\r\n{body}")
        .into()
}

async fn read_reply(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Reply> {
    let mut bytes = Vec::new();
    // A reset behind an answer does not take it back.
    let ended = stream.read_to_end(&mut bytes).await;
    if bytes.is_empty() {
        ended?;
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Ok(Reply {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    })
}

/// Waits until the server has closed the connection.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // By FIN or by RST.
    let _end = stream.read_to_end(&mut rest).await;
}
