//! The page for browsers: what is mirrored where, what was lost and why, as it happens.
//!
//! It has an address of its own, at which there is nothing but files of this binary, the texts of the
//! reasons, and one stream of events: the books ([`books`](super::books)) once a second. Whose they are is for its
//! [`Source`] to say: those of this process, or those of all agents (`kubectl podmirror ui`). Nothing can be
//! changed here but the sample rate, where that is wanted (`tune.rs`). Who may connect may look; but what a browser sends on behalf of somebody else's page is
//! refused: names that may lead here tomorrow (`Host`), and other sites (`Sec-Fetch-Site`).

mod assets;
mod events;
mod own;
mod reasons;
mod source;
mod tap;
mod tune;

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
};

use super::{
    door::Client,
    limits::Limits,
    lost::{kind, may_see},
    origin,
    patience::Patience,
    replies::{not_allowed, not_found, plain, respond, told},
    routes::{JSON, READ_ONLY, refusal_of_copy},
    server::Answers,
};
use events::Events;
pub use own::OwnPage;
use own::Place;
pub use source::Source;
use tap::Tap;
pub(super) use tune::Tuning;

/// Files of this server, and nothing else; no page of others shows it in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";
const SAME_ORIGIN_ONLY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Said to who does not know where the page is.
const NOT_HERE: &str =
    "nothing is here: open the whole address that was printed, with the long word in it";

/// The page, and who looks at it.
#[derive(Debug)]
pub(super) struct Page<S> {
    source: Arc<S>,
    tap: Tap,
    tuning: Tuning,
    /// Below what path all of it is; `None` if it is at the root.
    place: Option<Place>,
}

impl<S: Source> Page<S> {
    pub(super) fn new(source: Arc<S>, limits: Limits, tuning: Tuning) -> Self {
        let tap = Tap::new(limits.page_every);
        Self {
            source,
            tap,
            tuning,
            place: None,
        }
    }

    /// Tells the browsers, for ever.
    pub(super) async fn watch(self: Arc<Self>) {
        self.tap.run(|| self.source.books()).await;
    }

    fn file(path: &str) -> Response<Full<Bytes>> {
        match assets::find(path) {
            Some((kind, bytes)) => respond(StatusCode::OK, kind, bytes),
            None => not_found(),
        }
    }

    fn events(&self, fields: &HeaderMap, patience: &Arc<Patience>) -> Response<Body> {
        if origin::is_from_elsewhere(fields) {
            let why = origin::OTHER_SITES;
            return plain(StatusCode::FORBIDDEN, why.into()).map(Either::Left);
        }
        let Some(told) = self.tap.join() else {
            let why = "too many browsers are looking: close one, and load this again";
            return plain(StatusCode::SERVICE_UNAVAILABLE, why.into()).map(Either::Left);
        };
        let events = Events::new(told, Arc::clone(patience));
        let mut response = Response::new(Either::Right(events));
        let kind = HeaderValue::from_static("text/event-stream");
        response
            .headers_mut()
            .insert(hyper::header::CONTENT_TYPE, kind);
        response
    }

    async fn respond(
        &self,
        client: Client,
        request: Request<Incoming>,
        patience: &Arc<Patience>,
    ) -> Response<Body> {
        if let Some(refusal) = refusal_of_copy(request.headers()) {
            return refusal.map(Either::Left);
        }
        if !origin::is_asked_by_address(request.headers()) {
            let why = origin::BY_ADDRESS;
            return plain(StatusCode::MISDIRECTED_REQUEST, why.into()).map(Either::Left);
        }
        let uri = request.uri().clone();
        let path = match &self.place {
            None => uri.path(),
            Some(place) => match place.within(uri.path()) {
                Some(path) => path,
                None => return plain(StatusCode::NOT_FOUND, NOT_HERE.into()).map(Either::Left),
            },
        };
        if path == "/sample-rate" && !matches!(self.tuning, Tuning::Off) {
            return self.rates(client, request).await.map(Either::Left);
        }
        if !READ_ONLY.contains(request.method()) {
            return not_allowed(&READ_ONLY).map(Either::Left);
        }
        let fields = request.headers();
        let answer = match (path, request.method()) {
            ("/events", &Method::GET) => return self.events(fields, patience),
            ("/lost" | "/lost.pcapng", _) => match may_see(client, fields) {
                Ok(()) => told(kind(path), self.source.lost(path, uri.query()).await),
                Err(refusal) => told(JSON, Err(refusal)),
            },
            ("/differences", _) => match may_see(client, fields) {
                Ok(()) => told(JSON, self.source.differences().await),
                Err(refusal) => told(JSON, Err(refusal)),
            },
            _ => Self::file(path),
        };
        answer.map(Either::Left)
    }
}

/// What an answer consists of: it is there, or it goes on.
type Body = Either<Full<Bytes>, Events>;

impl<S: Source> Answers for Page<S> {
    type Body = Body;

    async fn answer(
        &self,
        client: Client,
        request: Request<Incoming>,
        patience: &Arc<Patience>,
    ) -> Response<Body> {
        let mut response = self.respond(client, request, patience).await;
        let fields = response.headers_mut();
        for (name, value) in [
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            (SAME_ORIGIN_ONLY, "same-origin"),
            // The next podmirror at this address may have another page.
            (CACHE_CONTROL, "no-store"),
        ] {
            fields.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    fn count_evicted(&self) {
        self.source.count_evicted();
    }

    fn count_timed_out(&self) {
        self.source.count_timed_out();
    }
}
