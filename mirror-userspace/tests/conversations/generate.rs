//! Random valid requests (RFC 9112), and how their bytes may arrive.

use mirror_core::random::Random;

fn letters(random: &mut Random, most: usize) -> String {
    let len = 1 + random.below(most);
    (0..len)
        .map(|_| char::from(b"abcdefghijklmnopqrstuvwxyz"[random.below(26)]))
        .collect()
}

/// Any bytes, often such as look like protocol.
fn content(random: &mut Random, len: usize) -> Vec<u8> {
    let misleading = b"0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut bytes = Vec::new();
    while bytes.len() < len {
        if random.one_in(20) {
            bytes.extend_from_slice(misleading);
        } else {
            bytes.push(random.bits().to_le_bytes()[0]);
        }
    }
    bytes.truncate(len);
    bytes
}

/// A request as it stands on the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Empty lines that the client sent before it, which are no part of it.
    pub(crate) blank: &'static [u8],
    pub(crate) head: String,
    /// With chunk sizes, extensions and trailers.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// What a target is to receive.
    pub(crate) fn mirrored(&self) -> Vec<u8> {
        let lines = self.head.strip_suffix("\r\n").unwrap();
        [
            lines.as_bytes(),
            b"x-mirrored-by: podmirror\r\n\r\n",
            &self.body,
        ]
        .concat()
    }

    pub(crate) fn wire(&self) -> Vec<u8> {
        [self.blank, self.head.as_bytes(), &self.body].concat()
    }

    pub(crate) fn random(random: &mut Random) -> Self {
        let method = random.pick(&["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]);
        let query = random.pick(&["", "?", "?a=b&c", "?%20=/../"]);
        let version = if random.one_in(8) { "1.0" } else { "1.1" };
        let path = letters(random, 40);
        let mut lines = vec![format!("Host: {}", letters(random, 12))];
        if version == "1.0" {
            // Another request follows.
            lines.push("Connection: keep-alive".into());
        }
        for _ in 0..random.below(6) {
            let space = random.pick(&["", " ", "  ", "\t"]);
            let value = random.pick(&["", "1", "two words", "a\tb", "é", "\"quoted, list\"", ";="]);
            let name =
                random.pick(&["X-", "x_", "ACCEPT-", "Cookie!"]).to_owned() + &letters(random, 3);
            lines.push(format!("{name}:{space}{value}{space}"));
        }
        // HTTP/1.0 has no transfer codings; what has no length there has no body.
        let body = match random.below(if version == "1.0" { 2 } else { 3 }) {
            0 => Vec::new(),
            1 => {
                let most = if random.one_in(6) { 6_000 } else { 300 };
                let len = random.below(most);
                let name = random.pick(&["Content-Length", "content-length", "CONTENT-LENGTH"]);
                lines.push(format!("{name}: {len}"));
                content(random, len)
            }
            _ => {
                let codings =
                    random.pick(&["chunked", "Chunked", "gzip, chunked", "gzip ,\tchunked"]);
                lines.push(format!("Transfer-Encoding: {codings}"));
                chunks(random)
            }
        };
        // The order of field lines is the sender's.
        let at = random.below(lines.len());
        lines.rotate_left(at);
        let head = format!(
            "{method} /{path}{query} HTTP/{version}\r\n{}\r\n\r\n",
            lines.join("\r\n")
        );
        let blank: &[u8] = if random.one_in(6) { b"\r\n" } else { b"" };
        Self { blank, head, body }
    }
}

fn chunks(random: &mut Random) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..random.below(5) {
        let most = if random.one_in(8) { 4_000 } else { 40 };
        let len = 1 + random.below(most);
        let zeros = random.pick(&["", "0", "000"]);
        let extension = random.pick(&["", ";a", ";a=b", ";q=\"x;\\\" y\""]);
        let size = if random.one_in(2) {
            format!("{len:x}")
        } else {
            format!("{len:X}")
        };
        body.extend(format!("{zeros}{size}{extension}\r\n").into_bytes());
        body.extend(content(random, len));
        body.extend(b"\r\n");
    }
    let last = random.pick(&["0\r\n\r\n", "00;last\r\n\r\n", "0\r\nSum: 1\r\nB:\r\n\r\n"]);
    body.extend(last.as_bytes());
    body
}

/// Cuts a stream into segments, as offset and length: each byte in order once, then some
/// repeated, some overlapping what is before them, and all a little out of order.
pub(crate) fn segments(random: &mut Random, len: usize) -> Vec<(usize, usize)> {
    let largest = [1, 20, 300, 1_448, 9_000][random.below(5)];
    let mut segments = Vec::new();
    let mut start = 0;
    while start < len {
        let size = (1 + random.below(largest)).min(len - start);
        let overlap = if random.one_in(4) {
            random.below(30).min(start)
        } else {
            0
        };
        segments.push((start - overlap, size + overlap));
        if random.one_in(10) {
            segments.push((start, size));
        }
        start += size;
    }
    for at in 0..segments.len() {
        if random.one_in(4) {
            let with = (at + random.below(6)).min(segments.len() - 1);
            segments.swap(at, with);
        }
    }
    segments
}
