//! A real server on loopback, its mirrors made up, its clients as rude as can be.

mod buckets;
mod exposition;
mod hostile;
mod owner;
mod pages;
mod paths;
mod tuning;

use std::{io, net::SocketAddr, time::Duration};

use owner::Owner;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use super::{Admin, AdminConfig, Listen, Questions, TuneFrom, limits::Limits};

/// A server within these limits, and who would answer for it.
async fn server(limits: Limits, tuning: TuneFrom) -> (Admin, Questions) {
    let listen = Listen::At("127.0.0.1:0".parse().unwrap());
    let config = AdminConfig { listen, tuning };
    Admin::within(limits, config).await.unwrap()
}

/// A server whose questions are answered.
async fn answered(limits: Limits, tuning: TuneFrom, owner: Owner) -> Admin {
    let (admin, questions) = server(limits, tuning).await;
    tokio::spawn(owner.run(questions));
    admin
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

/// Sends these bytes from this address, and reads to the end.
async fn exchange_from(source: &str, to: SocketAddr, bytes: &[u8]) -> io::Result<Reply> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(source.parse().unwrap(), 0))?;
    let mut stream = socket.connect(to).await?;
    // A server that has enough answers before it has all.
    let _refused = stream.write_all(bytes).await;
    read_reply(&mut stream).await
}

async fn exchange(to: SocketAddr, bytes: &[u8]) -> io::Result<Reply> {
    exchange_from("127.0.0.1", to, bytes).await
}

/// One request without a body.
async fn ask(to: SocketAddr, method: &str, path: &str) -> Reply {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    exchange(to, request.as_bytes()).await.unwrap()
}

async fn get(to: SocketAddr, path: &str) -> Reply {
    ask(to, "GET", path).await
}

/// A PUT of this body.
fn put(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("PUT /sample-rate HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}").into()
}

async fn read_reply(stream: &mut TcpStream) -> io::Result<Reply> {
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
