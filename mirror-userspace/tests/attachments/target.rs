//! v2: keeps the head of each request that it gets.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use crate::{PATIENCE, pod::REPLY};

pub(crate) struct Target {
    address: SocketAddr,
    seen: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Target {
    /// On a port of our own loopback interface; it serves until the process ends.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let keeper = Arc::clone(&seen);
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let keeper = Arc::clone(&keeper);
                thread::spawn(move || each_head(client, |head| keep(&keeper, head)));
            }
        });
        Self { address, seen }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests had this target.
    pub(crate) fn count(&self, target: &str) -> usize {
        let seen = self.seen.0.lock().unwrap();
        seen.iter().filter(|head| target_of(head) == target).count()
    }

    /// Waits for so many requests, and returns their first lines' targets, sorted.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<String> {
        let (seen, changed) = &*self.seen;
        let too_few = |seen: &mut Vec<String>| seen.len() < count;
        let (seen, timeout) = changed
            .wait_timeout_while(seen.lock().unwrap(), PATIENCE, too_few)
            .unwrap();
        assert!(!timeout.timed_out(), "{count} expected: {seen:?}");
        let mut targets: Vec<String> = seen.iter().map(|head| target_of(head)).collect();
        targets.sort();
        targets
    }
}

fn keep(seen: &(Mutex<Vec<String>>, Condvar), head: &str) {
    seen.0.lock().unwrap().push(head.to_owned());
    seen.1.notify_all();
}

fn target_of(head: &str) -> String {
    head.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Answers each request of the connection after handing its head to `take`.
pub(crate) fn each_head(client: TcpStream, mut take: impl FnMut(&str)) {
    client
        .set_read_timeout(Some(PATIENCE + Duration::from_secs(10)))
        .unwrap();
    let mut writer = client.try_clone().unwrap();
    let mut reader = BufReader::new(client);
    let mut head = String::new();
    while matches!(reader.read_line(&mut head), Ok(1..)) {
        if head.ends_with("\r\n\r\n") {
            take(&head);
            head.clear();
            if writer.write_all(&REPLY).is_err() {
                return;
            }
        }
    }
}
