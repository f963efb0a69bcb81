//! The form of answers.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
};

const PLAIN: &str = "text/plain; charset=utf-8";

pub(super) fn not_found() -> Response<Full<Bytes>> {
    plain(StatusCode::NOT_FOUND, "no such path".into())
}

pub(super) fn not_allowed(allowed: &[Method]) -> Response<Full<Bytes>> {
    let names: Vec<_> = allowed.iter().map(Method::as_str).collect();
    let names = names.join(", ");
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, format!("accepted: {names}"));
    if let Ok(names) = HeaderValue::from_str(&names) {
        response.headers_mut().insert(ALLOW, names);
    }
    response
}

/// What was found, or why it was not.
pub(super) fn told(
    kind: &'static str,
    found: Result<Bytes, (StatusCode, String)>,
) -> Response<Full<Bytes>> {
    match found {
        Ok(bytes) => respond(StatusCode::OK, kind, bytes),
        Err((status, why)) => plain(status, why),
    }
}

pub(super) fn plain(status: StatusCode, mut text: String) -> Response<Full<Bytes>> {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    respond(status, PLAIN, text.into())
}

pub(super) fn respond(
    status: StatusCode,
    kind: &'static str,
    body: Bytes,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
