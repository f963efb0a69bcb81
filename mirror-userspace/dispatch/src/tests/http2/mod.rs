//! Copies in HTTP/2 against real servers: the `h2` crate's, and others that say exactly what a test wants.

mod connections;
mod hostile;
mod https;
mod programs;
mod replies;
mod server;
mod streams;

use self::server::{H2Server, Raw};
use super::{server::Server, *};

/// A header block that refers to no dynamic table: literals that are never indexed (RFC 7541 section 6.2.3).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x10);
        for text in [name, value] {
            assert!(text.len() < 127);
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// The header block of a request for this path.
fn request(method: &str, path: &str) -> Vec<u8> {
    block(&[
        (":method", method),
        (":scheme", "http"),
        (":authority", "v1.test"),
        (":path", path),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
    ])
}

fn get(path: &str) -> Vec<u8> {
    request("GET", path)
}

/// The same for a gRPC request.
fn grpc(path: &str) -> Vec<u8> {
    block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "v1.test"),
        (":path", path),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ])
}

impl Rig {
    /// Gives the dispatcher a copy in HTTP/2. Each is another request.
    fn stream(
        &mut self,
        connection: u64,
        head: &[u8],
        body: &[&[u8]],
        trailers: Option<&[u8]>,
        rest: Rest,
    ) -> CopyId {
        let id = CopyId(self.given);
        self.given += 1;
        let len = body.iter().map(|piece| piece.len()).sum::<usize>() + head.len();
        let pieces: Vec<&[u8]> = [&[head], body].concat();
        let posts = head.windows(4).any(|four| four == b"POST");
        self.dispatcher.handle(Output::Copy(MirrorCopy {
            id,
            target: TargetId(0),
            request: self.request_of(connection, id),
            at: now(),
            wire: Wire::Http2 {
                trailers: trailers.map(Bytes::copy_from_slice),
            },
            pieces: pieces.into_iter().map(Bytes::copy_from_slice).collect(),
            rest,
            expect: Expect::Body,
            persistence: Persistence::Persistent,
            effect: if posts {
                Effect::Repeats
            } else {
                Effect::Idempotent
            },
            reserved: self.budget.reserve(len).unwrap(),
        }));
        id
    }

    fn request_of(&self, connection: u64, copy: CopyId) -> RequestKey {
        RequestKey {
            connection: ConnectionId(connection),
            number: 2 * u32::try_from(copy.0).unwrap() + 1,
        }
    }

    fn get(&mut self, connection: u64, path: &str) -> CopyId {
        self.stream(connection, &get(path), &[], None, Rest::Complete)
    }

    fn finish_with(&mut self, copy: CopyId, trailers: &[u8]) {
        self.dispatcher.handle(Output::Finish {
            copy,
            at: now(),
            trailers: Some(Bytes::copy_from_slice(trailers)),
            reserved: self.budget.reserve(trailers.len()).unwrap(),
        });
    }

    /// The client gives up the reply to a request.
    fn cancel(&mut self, connection: u64, copy: CopyId) {
        let request = self.request_of(connection, copy);
        self.dispatcher.handle(Output::Cancel {
            request,
            why: GivenUp::ByClient,
        });
    }
}
