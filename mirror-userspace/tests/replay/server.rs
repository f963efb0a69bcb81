//! A target on loopback that writes down what it receives.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// Requests in the order in which they were complete; bodies have a Content-Length.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::<Mutex<Vec<_>>>::default();
        let all = Arc::clone(&received);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let all = Arc::clone(&all);
                thread::spawn(move || serve(connection.unwrap(), &all));
            }
        });
        Self { address, received }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits, for half a minute at most, until so many requests are there.
    pub(crate) fn wait_for(&self, count: usize) {
        for _ in 0..3_000 {
            if self.received.lock().unwrap().len() >= count {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{count} requests never came");
    }

    pub(crate) fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }
}

fn serve(mut connection: TcpStream, all: &Mutex<Vec<String>>) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 << 10]);
    loop {
        while let Some(len) = whole(&bytes) {
            let request = bytes.drain(..len).collect();
            all.lock()
                .unwrap()
                .push(String::from_utf8(request).unwrap());
            let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            if connection.write_all(reply).is_err() {
                return;
            }
        }
        match connection.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

/// How long the first request is, if it is all there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).unwrap();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let len = head + length.map_or(0, |length| length.parse::<usize>().unwrap());
    (bytes.len() >= len).then_some(len)
}
