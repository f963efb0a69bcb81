//! From a request to its answer. There are five paths; everything else is refused unread.

use std::{
    convert::Infallible,
    fmt::Write as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, ORIGIN},
};
use mirror_core::{policy::MIRRORED_BY, value::Rate};
use tokio::time;

use super::{
    door::Client,
    health::Health,
    limits::{BODY_BYTES, Limits},
    metrics,
    question::{Ask, Asker, NoAnswer, Refused},
    snapshot::SampleRate,
    token::TokenFile,
    verdict,
};

/// <https://www.w3.org/TR/fetch-metadata/>
const FETCH_SITE: &str = "sec-fetch-site";
const PLAIN: &str = "text/plain; charset=utf-8";
const RATES: [Method; 3] = [Method::GET, Method::HEAD, Method::PUT];
const READ_ONLY: [Method; 2] = [Method::GET, Method::HEAD];

/// What all connections share.
#[derive(Debug)]
pub(super) struct Routes {
    asker: Asker,
    token: Option<TokenFile>,
    limits: Limits,
    health: Mutex<Health>,
    shown: tokio::sync::Mutex<Option<Shown>>,
    evicted: AtomicU64,
    timed_out: AtomicU64,
}

/// What a snapshot came to, for all who ask soon after each other.
#[derive(Clone, Debug)]
struct Shown {
    at: Instant,
    metrics: Bytes,
    verdict: Option<verdict::Answer>,
}

/// An answer that is not 200.
type Failure = (StatusCode, String);

impl Routes {
    pub(super) fn new(asker: Asker, token: Option<TokenFile>, limits: Limits) -> Self {
        Self {
            asker,
            token,
            limits,
            health: Mutex::default(),
            shown: tokio::sync::Mutex::default(),
            evicted: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
        }
    }

    /// A connection had to give way to a newer one.
    pub(super) fn count_evicted(&self) {
        self.evicted.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was too slow.
    pub(super) fn count_timed_out(&self) {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
    }

    /// Answers a request.
    pub(super) async fn answer(
        &self,
        client: Client,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        // Whoever names us as a target speaks with our own voice.
        if request.headers().contains_key(MIRRORED_BY) {
            let why = "a copy of somebody's request is nobody's wish";
            return Ok(plain(StatusCode::FORBIDDEN, why.into()));
        }
        let allowed: &[Method] = match request.uri().path() {
            "/healthz" | "/readyz" | "/metrics" | "/verdict" => &READ_ONLY,
            "/sample-rate" => &RATES,
            _ => return Ok(plain(StatusCode::NOT_FOUND, "no such path".into())),
        };
        if !allowed.contains(request.method()) {
            return Ok(not_allowed(allowed));
        }
        let answer = match (request.uri().path(), request.method()) {
            ("/healthz", _) => self.healthz(),
            ("/readyz", _) => self.readyz().await,
            ("/metrics", _) => return Ok(self.metrics().await),
            ("/verdict", _) => return Ok(self.verdict(request.uri().query()).await),
            (_, &Method::PUT) => self.put_rate(client, request).await,
            _ => self.rates().await,
        };
        Ok(match answer {
            Ok(text) => plain(StatusCode::OK, text),
            Err((status, text)) => plain(status, text),
        })
    }

    fn healthz(&self) -> Result<String, Failure> {
        let silence = self
            .health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .silence(Instant::now(), &self.asker.pings);
        if silence > self.limits.stuck_after {
            let seconds = silence.as_secs();
            return Err(unavailable(format!("stuck for {seconds} s")));
        }
        Ok("ok".into())
    }

    async fn readyz(&self) -> Result<String, Failure> {
        self.ask(self.limits.ready_time, Ask::Ready)
            .await?
            .map(|attachments| attachments.to_string())
            .map_err(unavailable)
    }

    async fn metrics(&self) -> Response<Full<Bytes>> {
        match self.shown().await {
            Ok(shown) => respond(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                shown.metrics,
            ),
            Err((status, text)) => plain(status, text),
        }
    }

    /// With `status=200` that is the status of any verdict, for those who take all others for an error.
    async fn verdict(&self, query: Option<&str>) -> Response<Full<Bytes>> {
        let any = query == Some("status=200");
        let none = "nothing is compared: give targets with role=baseline and role=candidate";
        match self.shown().await.map(|shown| shown.verdict) {
            Ok(Some((_, text))) if any => respond(StatusCode::OK, "application/json", text),
            Ok(Some((status, text))) => respond(status, "application/json", text),
            Ok(None) => plain(StatusCode::NOT_FOUND, none.into()),
            Err((status, text)) => plain(status, text),
        }
    }

    /// What there is to show now, or a moment ago.
    async fn shown(&self) -> Result<Shown, Failure> {
        // Held while the mirrors are asked: whoever comes meanwhile gets the same answer.
        let mut last = self.shown.lock().await;
        if let Some(shown) = &*last
            && shown.at.elapsed() < self.limits.metrics_age
        {
            return Ok(shown.clone());
        }
        let snapshot = self.ask(self.limits.answer_time, Ask::Snapshot).await?;
        let snapshot =
            snapshot.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")))?;
        let shown = Shown {
            at: Instant::now(),
            metrics: (metrics::render(&snapshot) + &self.own_metrics()).into(),
            verdict: verdict::of(&snapshot),
        };
        *last = Some(shown.clone());
        Ok(shown)
    }

    fn own_metrics(&self) -> String {
        metrics::of_server(
            self.evicted.load(Ordering::Relaxed),
            self.timed_out.load(Ordering::Relaxed),
        )
    }

    /// A line for each target.
    async fn rates(&self) -> Result<String, Failure> {
        let rates = self.ask(self.limits.answer_time, Ask::SampleRates).await?;
        let mut text = String::new();
        for SampleRate { rule, target, rate } in rates {
            // A `String` takes all that is written.
            let _written = writeln!(text, "{rate}\t{rule}\t{target}");
        }
        Ok(text)
    }

    /// Whether who sent these fields by this way may change anything.
    fn may_tune(&self, client: Client, fields: &HeaderMap) -> Result<(), Failure> {
        let forbidden = |why: &str| Err((StatusCode::FORBIDDEN, why.to_owned()));
        // Browsers send them with every PUT: a page must not tune what its reader can reach.
        if fields.contains_key(ORIGIN) || fields.contains_key(FETCH_SITE) {
            return forbidden("not for browsers");
        }
        match (client, &self.token) {
            (Client::Socket, _) => Ok(()),
            (Client::Network(_), Some(token)) if token.is_borne_by(fields) => Ok(()),
            (Client::Network(_), Some(_)) => forbidden(
                "only with the token of --admin-token-file, or by the unix socket: `podmirror set` \
                 where podmirror runs (kubectl exec)",
            ),
            (Client::Network(_), None) => forbidden(
                "only by the unix socket: `podmirror set` where podmirror runs (kubectl exec); or \
                 start podmirror with --admin-token-file",
            ),
        }
    }

    async fn put_rate(
        &self,
        client: Client,
        request: Request<Incoming>,
    ) -> Result<String, Failure> {
        self.may_tune(client, request.headers())?;
        let too_long = || {
            (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("more than {BODY_BYTES} bytes"),
            )
        };
        if request.body().size_hint().lower() > BODY_BYTES as u64 {
            return Err(too_long());
        }
        let body = Limited::new(request.into_body(), BODY_BYTES)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    too_long()
                } else {
                    bad_request(error.to_string())
                }
            })?
            .to_bytes();
        let line = str::from_utf8(&body).map_err(|error| bad_request(error.to_string()))?;
        let (rate, rule) = read_rate(line).map_err(bad_request)?;
        let whose = rule.clone();
        let set = self.ask(self.limits.answer_time, |reply| Ask::SetSampleRate {
            rule,
            rate,
            reply,
        });
        match set.await? {
            Ok(()) => {
                let whose = whose.as_deref().unwrap_or("all rules");
                log::info!("sample rate set to {rate} for {whose} by {client}");
                self.rates().await
            }
            Err(Refused::UnknownRule) => Err((StatusCode::NOT_FOUND, "no such rule".into())),
            Err(Refused::Failed(error)) => {
                Err((StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")))
            }
        }
    }

    async fn ask<T>(
        &self,
        patience: Duration,
        question: impl FnOnce(tokio::sync::oneshot::Sender<T>) -> Ask,
    ) -> Result<T, Failure> {
        match time::timeout(patience, self.asker.ask(question)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(NoAnswer::Stopping)) => Err(unavailable("stopping".into())),
            Ok(Err(NoAnswer::Busy)) | Err(_) => Err(unavailable("busy".into())),
        }
    }
}

/// `50%`, or that with a tab and a rule's name.
fn read_rate(line: &str) -> Result<(Rate, Option<String>), String> {
    let line = line.strip_suffix('\n').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let (rate, rule) = match line.split_once('\t') {
        None => (line, None),
        Some((rate, rule)) => (rate, Some(rule.to_owned())),
    };
    let rate = rate.parse::<Rate>().map_err(|error| error.to_string())?;
    Ok((rate, rule))
}

const fn unavailable(why: String) -> Failure {
    (StatusCode::SERVICE_UNAVAILABLE, why)
}

const fn bad_request(why: String) -> Failure {
    (StatusCode::BAD_REQUEST, why)
}

fn not_allowed(allowed: &[Method]) -> Response<Full<Bytes>> {
    let names: Vec<_> = allowed.iter().map(Method::as_str).collect();
    let names = names.join(", ");
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, format!("accepted: {names}"));
    if let Ok(names) = HeaderValue::from_str(&names) {
        response.headers_mut().insert(ALLOW, names);
    }
    response
}

fn plain(status: StatusCode, mut text: String) -> Response<Full<Bytes>> {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    respond(status, PLAIN, text.into())
}

fn respond(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
