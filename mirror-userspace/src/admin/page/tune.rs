//! The sample rate, changed on the page (`--ui-tune`): by who types the token, on no page but this one.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{HOST, HeaderValue, ORIGIN},
};

use crate::admin::{
    door::Client,
    origin,
    replies::{not_allowed, plain},
    routes::{Failure, RATES, Routes},
};

impl Routes {
    /// `GET /sample-rate` and `PUT /sample-rate` at the page.
    pub(super) async fn rates_on_page(
        &self,
        client: Client,
        request: Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        let answer = match *request.method() {
            Method::PUT => match self.may_tune_on_page(request.headers()) {
                Ok(()) => self.set_rate(client, request).await,
                Err(refusal) => Err(refusal),
            },
            Method::GET | Method::HEAD => self.rates().await,
            _ => return not_allowed(&RATES),
        };
        match answer {
            Ok(text) => plain(StatusCode::OK, text),
            Err((status, why)) => plain(status, why),
        }
    }

    /// A browser says where a page is from that changes something; the token says who sits there.
    fn may_tune_on_page(&self, fields: &HeaderMap) -> Result<(), Failure> {
        let forbidden = |why: &str| Err((StatusCode::FORBIDDEN, why.to_owned()));
        if origin::is_from_elsewhere(fields) || !is_our_own(fields) {
            return forbidden(origin::OTHER_SITES);
        }
        match &self.token {
            Some(token) if token.is_borne_by(fields) => Ok(()),
            _ => forbidden("only with the token of --admin-token-file"),
        }
    }
}

/// Whether `Origin` is where the request goes to.
fn is_our_own(fields: &HeaderMap) -> bool {
    let mut origins = fields.get_all(ORIGIN).iter().map(HeaderValue::as_bytes);
    let (Some(from), None) = (origins.next(), origins.next()) else {
        return false;
    };
    let host = fields.get(HOST).map(HeaderValue::as_bytes);
    host.is_some_and(|host| from.strip_prefix(b"http://") == Some(host))
}
