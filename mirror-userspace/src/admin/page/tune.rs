//! The sample rate, changed on the page: by who types the token (`--ui-tune`), or has the address of a page of its own, on no
//! page but this one.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{HOST, HeaderName, HeaderValue, ORIGIN},
};

use super::{Page, Source};
use crate::admin::{
    door::Client,
    origin, rate,
    replies::{not_allowed, plain},
    routes::{Failure, RATES},
    token::TokenFile,
};

/// Tells the page what it has to ask its reader for.
const TUNING: HeaderName = HeaderName::from_static("x-podmirror-tuning");

/// Who may change rates on a page.
#[derive(Debug)]
pub(in crate::admin) enum Tuning {
    /// Nobody: there is no such path.
    Off,
    /// Who has the token in this file; nobody, if there is none.
    Token(Option<TokenFile>),
    /// Who knows where the page is.
    Place,
}

impl<S: Source> Page<S> {
    /// `GET /sample-rate` and `PUT /sample-rate` at the page.
    pub(super) async fn rates(
        &self,
        client: Client,
        request: Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        let answer = match *request.method() {
            Method::PUT => self.set_rate(client, request).await,
            Method::GET | Method::HEAD => self.source.rates().await,
            _ => return not_allowed(&RATES),
        };
        let mut response = match answer {
            Ok(text) => plain(StatusCode::OK, text),
            Err((status, why)) => plain(status, why),
        };
        let by = match self.tuning {
            Tuning::Place => "address",
            _ => "token",
        };
        let fields = response.headers_mut();
        fields.insert(TUNING, HeaderValue::from_static(by));
        response
    }

    async fn set_rate(
        &self,
        client: Client,
        request: Request<Incoming>,
    ) -> Result<String, Failure> {
        self.may_tune(request.headers())?;
        let (rate, rule) = rate::read(request).await?;
        let by = client.to_string();
        self.source.set_rate(&by, rule.as_deref(), rate).await
    }

    /// A browser says where a page is from that changes something; the token, or the address, says who sits there.
    fn may_tune(&self, fields: &HeaderMap) -> Result<(), Failure> {
        let forbidden = |why: &str| Err((StatusCode::FORBIDDEN, why.to_owned()));
        if origin::is_from_elsewhere(fields) || !is_our_own(fields) {
            return forbidden(origin::OTHER_SITES);
        }
        match &self.tuning {
            Tuning::Place => Ok(()),
            Tuning::Token(Some(token)) if token.is_borne_by(fields) => Ok(()),
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
