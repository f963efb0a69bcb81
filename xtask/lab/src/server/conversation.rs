//! One connection: read a request, write it down, answer it as told.

use std::{
    io::{self, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use nix::sys::socket::{setsockopt, sockopt::Linger};

use super::{Behaviour, RecordedRequest, Shared};
use crate::wire::{Framing, Meter, field, first_line, read_body, read_head};

/// The stream's read side, at the pace that the behaviour asks for.
struct Paced<'a> {
    stream: &'a TcpStream,
    shared: &'a Shared,
}

impl Read for Paced<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let behaviour = self.shared.lock().behaviour.clone();
        let mut most = buffer.len();
        match behaviour {
            Behaviour::SlowRead { bytes, pause } => {
                self.shared.pause(pause);
                most = most.min(bytes);
            }
            Behaviour::Deaf => self.shared.pause_while(&Behaviour::Deaf),
            _ => {}
        }
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        self.stream.read(buffer)
    }
}

/// Holds the conversation to its end.
pub(super) fn hold(stream: TcpStream, connection: usize, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let paced = Paced {
        stream: &stream,
        shared,
    };
    let mut input = BufReader::with_capacity(64 * 1024, paced);
    let mut answered = 0;
    while let Some(head) = read_head(&mut input)? {
        let slot = shared.lock().record.begin();
        let behaviour = shared.lock().behaviour.clone();
        if behaviour == Behaviour::AnswerEarly {
            answer(&stream, &head, 200)?;
        } else if field(&head, "expect")
            .is_some_and(|what| what.eq_ignore_ascii_case("100-continue"))
        {
            (&stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }

        let mut meter = Meter::default();
        let end = read_body(&mut input, Framing::of_request(&head), &mut meter);
        let request = RecordedRequest {
            connection,
            head: head.clone(),
            body: meter.finish(),
        };
        {
            let mut state = shared.lock();
            match end {
                Ok(()) => state.record.finish(slot, request),
                Err(_) => state.record.abort(slot, request),
            }
        }
        shared.changed.notify_all();
        end?;

        match behaviour {
            Behaviour::AnswerEarly => {}
            Behaviour::Answer
            | Behaviour::CloseAfter(_)
            | Behaviour::Deaf
            | Behaviour::SlowRead { .. } => answer(&stream, &head, 200)?,
            Behaviour::Status(status) => answer(&stream, &head, status)?,
            Behaviour::Delay(time) => {
                shared.pause(time);
                answer(&stream, &head, 200)?;
            }
            Behaviour::Hang => {}
            Behaviour::Garbage => (&stream).write_all(b"\x16\x03\x01 no HTTP at all\r\n\r\n")?,
            Behaviour::Endless => endless(&stream)?,
            Behaviour::Reset => return reset(&stream),
            Behaviour::Upgrade => {
                (&stream).write_all(
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
                )?;
                io::copy(&mut input, &mut io::sink())?;
                return Ok(());
            }
        }
        answered += 1;
        if matches!(behaviour, Behaviour::CloseAfter(most) if answered >= most)
            || !keeps_alive(&head)
        {
            break;
        }
    }
    stream.shutdown(Shutdown::Both)
}

fn answer(mut stream: &TcpStream, head: &[u8], status: u16) -> io::Result<()> {
    let connection = if keeps_alive(head) {
        "keep-alive"
    } else {
        "close"
    };
    let bodyless = status == 204 || status == 304;
    let mut reply = format!("HTTP/1.1 {status} Status\r\nConnection: {connection}\r\n");
    if !bodyless {
        reply += "Content-Length: 2\r\n";
    }
    reply += "\r\n";
    if !bodyless && first_line(head).first() != Some(&"HEAD") {
        reply += "ok";
    }
    stream.write_all(reply.as_bytes())
}

fn endless(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_write_timeout(Some(Duration::from_millis(100)))?;
    stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    let mut chunk = b"4000\r\n".to_vec();
    chunk.resize(chunk.len() + 0x4000, b'.');
    chunk.extend(b"\r\n");
    // Ends when the peer has had enough: it closes, or reads no more.
    loop {
        stream.write_all(&chunk)?;
    }
}

/// With no time to linger, closing sends RST.
fn reset(stream: &TcpStream) -> io::Result<()> {
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(stream, Linger, &linger)?;
    Ok(())
}

fn keeps_alive(head: &[u8]) -> bool {
    let asked = field(head, "connection")
        .map(str::to_ascii_lowercase)
        .unwrap_or_default();
    if first_line(head).last() == Some(&"HTTP/1.0") {
        asked.contains("keep-alive")
    } else {
        !asked.contains("close")
    }
}
