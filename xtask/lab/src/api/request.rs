//! A request's head, as far as the API looks at it.

use std::{
    io::{self, Read as _},
    net::TcpStream,
};

const LONGEST_HEAD: usize = 64 * 1024;

/// The longest body that is read.
const LONGEST_BODY: usize = 4 << 20;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query as sent.
    pub(super) target: String,
    pub(super) path: String,
    parameters: Vec<(String, String)>,
    fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Whether it is a patch that merges lists of objects by their types.
    pub(super) strategic: bool,
}

impl Request {
    /// Reads a head and the body that it tells of; `None` if the client sends none.
    pub(super) fn read(mut connection: &TcpStream) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
            if connection.read(&mut byte)? == 0 {
                return Ok(None);
            }
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head);
        let Some(mut request) = Self::parse(&head) else {
            return Ok(None);
        };
        let length = request
            .field("content-length")
            .and_then(|it| it.parse().ok());
        request.body = vec![0; length.unwrap_or(0_usize).min(LONGEST_BODY)];
        connection.read_exact(&mut request.body)?;
        Ok(Some(request))
    }

    pub(super) fn parse(head: &str) -> Option<Self> {
        let mut words = head.lines().next()?.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parameters = query.split('&').filter_map(|pair| pair.split_once('='));
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        Some(Self {
            method: method.to_owned(),
            target: decode(target),
            path: decode(path),
            parameters: parameters
                .map(|(name, value)| (name.to_owned(), decode(value)))
                .collect(),
            fields: fields
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
            body: Vec::new(),
            strategic: head.contains("application/strategic-merge-patch+json"),
        })
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters(name).next()
    }

    /// All values of a parameter that may be given several times.
    pub(super) fn parameters(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self
            .parameters
            .iter()
            .filter(move |(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The value of a header field, by its name in lower case.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let hex = after.first_chunk::<2>().and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok()
        });
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
