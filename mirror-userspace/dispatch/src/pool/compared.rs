//! Which copies are compared, and by what group.

use std::borrow::Cow;

use mirror_core::{
    http::h2::request_line,
    pipeline::{MirrorCopy, RequestKey, Wire},
    policy::PathPattern,
    verdict::{Comparison, Measured, Pairing, Role},
};

use crate::outcome::{Answer, Failure, Outcome};

/// Bytes of a method, and of a path's first part, that a group is called by: clients choose them.
const NAMED: usize = 64;

/// The comparison of two targets.
#[derive(Debug)]
pub(super) struct Compared {
    /// What each target is to it.
    roles: Vec<Option<Role>>,
    /// Whether v1 is the baseline.
    v1: bool,
    patterns: Vec<PathPattern>,
    pairing: Pairing<RequestKey>,
}

impl Compared {
    /// `None` unless both roles are there. With `v1` that is the baseline.
    pub(super) fn new(
        roles: Vec<Option<Role>>,
        v1: bool,
        patterns: Vec<PathPattern>,
    ) -> Option<Self> {
        Role::are_compared(&roles, v1).then(|| Self {
            roles,
            v1,
            patterns,
            pairing: Pairing::default(),
        })
    }

    pub(super) const fn comparison(&self) -> &Comparison {
        self.pairing.comparison()
    }

    pub(super) fn begin(&mut self, copy: &MirrorCopy) {
        if self.role(copy.target.0).is_none() {
            return;
        }
        let Self {
            patterns, pairing, ..
        } = self;
        let head = copy.pieces.first().map_or(&[][..], |piece| piece);
        pairing.begin(copy.request, || match copy.wire {
            Wire::Http1 => group(head, patterns).into(),
            Wire::Http2 { .. } => group(&request_line(head), patterns).into(),
        });
    }

    /// A copy for this target ended, or its reply's head came.
    pub(super) fn end(&mut self, target: usize, request: RequestKey, outcome: &Outcome) {
        let Some(role) = self.role(target) else {
            return;
        };
        match outcome {
            Outcome::Answered(Answer {
                status, latency, ..
            }) => {
                let measured = Measured {
                    status: Some(*status),
                    // v1's is taken elsewhere: it would compare a network with none.
                    latency: latency.filter(|_| !self.v1),
                };
                self.pairing.end(request, role, measured);
            }
            // Told when it was answered.
            Outcome::Read(_) => {}
            Outcome::Failed(failure) if is_the_targets(*failure) => {
                let measured = Measured {
                    status: None,
                    latency: None,
                };
                self.pairing.end(request, role, measured);
            }
            Outcome::Failed(_) => self.pairing.give_up(request),
        }
    }

    /// v1 answered this request.
    pub(super) fn handle_v1(&mut self, request: RequestKey, status: u16) {
        if self.v1 {
            let measured = Measured {
                status: Some(status),
                latency: None,
            };
            self.pairing.end(request, Role::Baseline, measured);
        }
    }

    fn role(&self, target: usize) -> Option<Role> {
        self.roles.get(target).copied().flatten()
    }
}

/// Whether a client would have failed with it, too.
const fn is_the_targets(failure: Failure) -> bool {
    match failure {
        Failure::Connect
        | Failure::Tls
        | Failure::Timeout
        | Failure::Reset
        | Failure::BadReply
        | Failure::StreamReset => true,
        Failure::NoHttp2
        | Failure::Refused
        | Failure::Cancelled
        | Failure::NoRoute
        | Failure::Unresolved
        | Failure::Local
        | Failure::TargetRefused
        | Failure::Aborted
        | Failure::StreamOverflow
        | Failure::Shutdown => false,
    }
}

/// The method and the first pattern that the path matches; without patterns, the path's first part.
fn group(head: &[u8], patterns: &[PathPattern]) -> String {
    let mut words = head.split(|&byte| byte == b' ');
    let method = name(words.next().unwrap_or_default());
    let target = words.next().unwrap_or_default();
    let end = target.iter().position(|byte| b"?#".contains(byte));
    let path = end.and_then(|end| target.get(..end)).unwrap_or(target);
    if !patterns.is_empty() {
        let found = patterns.iter().find(|pattern| pattern.is_match(path));
        let name = found.map_or_else(|| "(other)".to_owned(), ToString::to_string);
        return format!("{method} {name}");
    }
    let parts = path.iter().skip(1).position(|&byte| byte == b'/');
    let first = parts.and_then(|end| path.get(..=end)).unwrap_or(path);
    format!("{method} {}", name(first))
}

/// As much of it as a group is called by.
fn name(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.get(..NAMED).unwrap_or(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_grouped_by_method_and_path() {
        let patterns: [PathPattern; 2] = ["/users/*", "~^/o[a-z]+$"].map(|it| it.parse().unwrap());
        for (line, plain, by_pattern) in [
            ("GET / HTTP/1.1", "GET /", "GET (other)"),
            ("GET /users/7?x=/y HTTP/1.1", "GET /users", "GET /users/*"),
            ("POST /orders HTTP/1.1", "POST /orders", "POST ~^/o[a-z]+$"),
            ("OPTIONS * HTTP/1.1", "OPTIONS *", "OPTIONS (other)"),
            ("GET /?a HTTP/1.1", "GET /", "GET (other)"),
            ("", " ", " (other)"),
        ] {
            assert_eq!(group(line.as_bytes(), &[]), plain, "{line}");
            assert_eq!(group(line.as_bytes(), &patterns), by_pattern, "{line}");
        }
    }

    #[test]
    fn no_client_makes_a_groups_name_long() {
        let long = "x".repeat(60_000);
        for line in [
            format!("{long} / HTTP/1.1"),
            format!("GET /{long} HTTP/1.1"),
            long,
        ] {
            assert!(group(line.as_bytes(), &[]).len() <= 2 * NAMED + 1);
        }
    }

    #[test]
    fn one_role_alone_is_no_comparison() {
        let (baseline, candidate) = (Some(Role::Baseline), Some(Role::Candidate));
        let compares = |roles, v1| Compared::new(roles, v1, Vec::new()).is_some();
        assert!(!compares(vec![baseline, None], false) && !compares(vec![baseline], true));
        assert!(
            compares(vec![candidate, None, baseline], false) && compares(vec![candidate], true)
        );
    }
}
