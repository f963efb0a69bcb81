//! A reply that is being compared.

use std::borrow::Cow;

use mirror_core::{http::h2, verdict::Values};

use super::{body::Body, grpc, head::Head, kept::Kept, rules::ContentRules};

/// A reply that is being compared.
pub(super) struct Reply<'a> {
    pub(super) kept: &'a Kept,
    pub(super) head: Head<'a>,
    pub(super) trailers: Head<'a>,
    /// Its status, and that of a reply of gRPC as HTTP has it.
    pub(super) status: u16,
    /// The body, once it is read.
    body: Option<Body>,
}

impl<'a> Reply<'a> {
    pub(super) fn new(kept: &'a Kept) -> Self {
        let (mut head, mut trailers) = (Head::new(&kept.head), Head::new(&kept.trailers));
        let mut status = kept.status;
        if h2::is_grpc(&head.value("content-type")) {
            if kept.trailers.is_empty() && kept.length == 0 {
                // Without messages, what is behind them otherwise is in the head.
                trailers = head.take(&STATUS_FIELDS);
            }
            status = grpc::as_http(status, grpc::status(&trailers.value("grpc-status")));
        }
        Self {
            kept,
            head,
            trailers,
            status,
            body: None,
        }
    }

    /// What its status is to the questions that are asked of it elsewhere.
    pub(super) const fn kind(&self) -> u8 {
        match self.status {
            500.. => 5,
            400..500 => 4,
            _ => 0,
        }
    }

    /// The status of gRPC, as it was said.
    pub(super) fn grpc_status(&self) -> Cow<'_, [u8]> {
        self.trailers.value("grpc-status")
    }

    /// Both statuses; those of gRPC, where HTTP's are the same.
    pub(super) fn status_beside(&self, other: &Self) -> Values {
        let (name, [ours, theirs]) = match self.kept.status == other.kept.status {
            true => ("grpc-status", [self, other].map(Self::called)),
            false => ("status", [self, other].map(|it| it.kept.status.to_string())),
        };
        Values {
            field: name.to_owned(),
            baseline: Some(ours).filter(|said| !said.is_empty()),
            candidate: Some(theirs).filter(|said| !said.is_empty()),
        }
    }

    /// Its status of gRPC, if that is a number.
    fn called(&self) -> String {
        let said = self.grpc_status();
        let is_number = said.len() <= 10 && said.iter().all(u8::is_ascii_digit);
        let said = if is_number { &*said } else { b"" };
        String::from_utf8_lossy(said).into_owned()
    }

    /// Whether both bodies are the same bytes in the same encoding.
    pub(super) fn has_body_of(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.kept, other.kept);
        let is_encoded_alike = ENCODINGS
            .iter()
            .all(|name| self.head.value(name) == other.head.value(name));
        (ours.length, ours.rest, &ours.body) == (theirs.length, theirs.rest, &theirs.body)
            && is_encoded_alike
    }

    pub(super) fn body(&mut self, rules: &ContentRules) -> &Body {
        let Self {
            kept, head, body, ..
        } = self;
        body.get_or_insert_with(|| Body::read(kept, head, rules))
    }
}

/// What is said behind the messages of a reply of gRPC.
const STATUS_FIELDS: [&str; 3] = ["grpc-status", "grpc-message", "grpc-status-details-bin"];

/// The fields that say how a body is encoded.
const ENCODINGS: [&str; 2] = ["content-encoding", "grpc-encoding"];
