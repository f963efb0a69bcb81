//! What runs in the lab's pods, as the only file of their image.
//!
//! `pod` waits for ever: the sandbox. `pod serve NAME PORT` is a web server that answers every
//! request with its name and writes a line about it. `pod resolve NAME` prints the addresses of a name.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream, ToSocketAddrs},
    thread,
    time::Duration,
};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", name, port] => serve(name, port),
        ["resolve", name] => {
            for address in (*name, 80).to_socket_addrs()? {
                println!("{}", address.ip());
            }
            Ok(())
        }
        _ => loop {
            thread::sleep(Duration::from_secs(3600));
        },
    }
}

fn serve(name: &str, port: &str) -> io::Result<()> {
    let listener = TcpListener::bind(format!("0.0.0.0:{port}"))?;
    for stream in listener.incoming().flatten() {
        let name = name.to_owned();
        // How a connection ends is its client's business.
        thread::spawn(move || converse(stream, &name));
    }
    Ok(())
}

/// Requests with `Content-Length` or without a body, one after the other.
fn converse(stream: TcpStream, name: &str) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let field = |wanted: &str| {
            let fields = lines.iter().filter_map(|line| line.split_once(':'));
            let mut found = fields.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.next().map(|(_, value)| value.trim())
        };
        let length = field("content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body)?;
        println!(
            "{} host={} mirrored-by={} body={}",
            lines.first().map_or("", String::as_str),
            field("host").unwrap_or("-"),
            field("x-mirrored-by").unwrap_or("-"),
            String::from_utf8_lossy(&body),
        );
        let length = name.len();
        write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}")?;
    }
}
