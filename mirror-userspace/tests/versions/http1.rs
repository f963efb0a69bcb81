//! A version that speaks HTTP/1.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use super::Answer;

impl Answer {
    /// As it is on the wire.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} X\r\n", self.status);
        for (name, value) in self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", self.body.len());
        [head.into_bytes(), self.body].concat()
    }
}

/// Until the client closes. Its requests have no bodies.
pub(super) fn serve(mut connection: TcpStream, answer: &dyn Fn(&str) -> Answer) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 << 10]);
    loop {
        while let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            let head = String::from_utf8(bytes.drain(..end + 4).collect()).unwrap();
            let target = head.split(' ').nth(1).unwrap();
            if connection.write_all(&answer(target).bytes()).is_err() {
                return;
            }
        }
        match connection.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}
