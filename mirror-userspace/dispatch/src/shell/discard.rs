//! Discards what a socket has received without copying it out of the kernel.

use std::{
    io,
    os::fd::AsRawFd,
    task::{Context, Poll, ready},
};

use nix::sys::socket::{MsgFlags, recv};
use tokio::{io::Interest, net::TcpStream};

/// Discards what there is, up to as many bytes as `room` has; how many, 0 at the end of the stream.
///
/// With `MSG_TRUNC`, TCP leaves the buffer as it is (tcp(7), since Linux 2.4). A socket that does not know that
/// would write to `room`, which is as long as it says.
pub(super) fn poll_discard(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    room: &mut [u8],
) -> Poll<io::Result<usize>> {
    let flags = MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT;
    loop {
        ready!(socket.poll_read_ready(cx))?;
        let mut discarded = None;
        let tried = socket.try_io(Interest::READABLE, || {
            let bytes = recv(socket.as_raw_fd(), room, flags)?;
            discarded = Some(bytes);
            match bytes {
                0 => Ok(()),
                // There was all that there is, and the runtime, which waits for edges, may know it: it saves
                // a look in vain.
                _ if bytes < room.len() => Err(io::ErrorKind::WouldBlock.into()),
                _ => Ok(()),
            }
        });
        match (discarded, tried) {
            (Some(bytes), _) => return Poll::Ready(Ok(bytes)),
            (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                return Poll::Ready(Err(error));
            }
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        time::timeout,
    };

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, server) = tokio::join!(client, listener.accept());
        (client.unwrap(), server.unwrap().0)
    }

    async fn discard(socket: &TcpStream, room: &mut [u8]) -> usize {
        let discarding = poll_fn(|cx| poll_discard(socket, cx, room));
        let discarded = timeout(Duration::from_secs(30), discarding).await;
        discarded.expect("something comes").unwrap()
    }

    #[tokio::test]
    async fn nothing_is_copied_and_what_follows_is_there() {
        let (mut client, mut server) = pair().await;
        for turn in 0..3 {
            let body = vec![b'x'; 300_000];
            let sending = async {
                server.write_all(&body).await.unwrap();
                server.write_all(b"next").await.unwrap();
            };
            let reading = async {
                let mut left = body.len();
                while left > 0 {
                    let mut room = vec![0; left.min(100_000)];
                    left -= discard(&client, &mut room).await;
                    assert!(room.iter().all(|byte| *byte == 0), "copied");
                }
            };
            tokio::join!(sending, reading);
            let mut next = [0; 4];
            client.read_exact(&mut next).await.unwrap();
            assert_eq!(&next, b"next", "{turn}");
        }
    }

    #[tokio::test]
    async fn the_end_of_the_stream_is_seen() {
        let (client, mut server) = pair().await;
        server.write_all(b"12345").await.unwrap();
        assert_eq!(discard(&client, &mut [0; 3]).await, 3);
        assert_eq!(discard(&client, &mut [0; 3]).await, 2);
        drop(server);
        assert_eq!(discard(&client, &mut [0; 3]).await, 0);
    }

    #[tokio::test]
    async fn a_reset_is_an_error() {
        let (client, server) = pair().await;
        server.set_zero_linger().unwrap();
        drop(server);
        let discarding = poll_fn(|cx| poll_discard(&client, cx, &mut [0; 3]));
        let discarded = timeout(Duration::from_secs(30), discarding).await;
        assert!(discarded.expect("something comes").is_err());
    }
}
