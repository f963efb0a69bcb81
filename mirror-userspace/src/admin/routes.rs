//! From a request to its answer. There are a few paths; everything else is refused unread.

use std::{
    fmt::{self, Write as _},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONNECTION, HeaderMap, ORIGIN},
};
use mirror_core::{policy::MIRRORED_BY, value::Rate};
use tokio::time;

use super::{
    books,
    door::Client,
    health::Health,
    limits::Limits,
    lost, metrics,
    patience::Patience,
    question::{Ask, Asker, NoAnswer, Refused},
    rate,
    replies::{not_allowed, not_found, plain, respond},
    server::Answers,
    snapshot::{SampleRate, Snapshot},
    token::TokenFile,
    verdict,
};

/// <https://www.w3.org/TR/fetch-metadata/>
pub(super) const FETCH_SITE: &str = "sec-fetch-site";
pub(super) const JSON: &str = "application/json";
pub(super) const RATES: [Method; 3] = [Method::GET, Method::HEAD, Method::PUT];
pub(super) const READ_ONLY: [Method; 2] = [Method::GET, Method::HEAD];

/// What all connections share.
#[derive(Debug)]
pub(super) struct Routes {
    asker: Asker,
    pub(super) token: Option<TokenFile>,
    pub(super) limits: Limits,
    istio: Option<metrics::IstioNames>,
    health: Mutex<Health>,
    started: Instant,
    shown: tokio::sync::Mutex<Option<Arc<Shown>>>,
    pub(super) lost: lost::Asked,
    evicted: AtomicU64,
    timed_out: AtomicU64,
}

/// A snapshot, for all who ask soon after each other, and what it came to for the first of them.
#[derive(Debug)]
pub(super) struct Shown {
    at: Instant,
    pub(super) snapshot: Snapshot,
    metrics: OnceLock<Bytes>,
    verdicts: verdict::Answers,
    books: OnceLock<Bytes>,
}

/// An answer that is not 200: its status, and the reason for people.
pub type Failure = (StatusCode, String);

impl Routes {
    pub(super) fn new(
        asker: Asker,
        token: Option<TokenFile>,
        limits: Limits,
        istio: Option<metrics::IstioNames>,
    ) -> Self {
        Self {
            asker,
            token,
            limits,
            istio,
            health: Mutex::default(),
            started: Instant::now(),
            shown: tokio::sync::Mutex::default(),
            lost: lost::Asked::default(),
            evicted: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
        }
    }

    async fn answer(&self, client: Client, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if let Some(refusal) = refusal_of_copy(request.headers()) {
            return refusal;
        }
        let allowed: &[Method] = match request.uri().path() {
            "/healthz" | "/readyz" | "/metrics" | "/verdict" | "/ledger" | "/lost"
            | "/lost.pcapng" | "/differences" => &READ_ONLY,
            "/sample-rate" => &RATES,
            _ => return not_found(),
        };
        if !allowed.contains(request.method()) {
            return not_allowed(allowed);
        }
        let answer = match (request.uri().path(), request.method()) {
            ("/healthz", _) => self.healthz(),
            ("/readyz", _) => self.readyz().await,
            ("/metrics", _) => return self.metrics().await,
            ("/verdict", _) => return self.verdict(request.uri().query()).await,
            ("/ledger", _) => return self.ledger().await,
            ("/differences", _) => return self.differences(client, request.headers()).await,
            (path @ ("/lost" | "/lost.pcapng"), _) => {
                let (query, fields) = (request.uri().query(), request.headers());
                return self.lost(client, path, query, fields).await;
            }
            (_, &Method::PUT) => self.put_rate(client, request).await,
            _ => self.rates().await,
        };
        match answer {
            Ok(text) => plain(StatusCode::OK, text),
            Err((status, text)) => plain(status, text),
        }
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
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        match self.shown().await {
            Ok(shown) => {
                let render = || {
                    (metrics::render(&shown.snapshot) + &self.own_metrics(&shown.snapshot)).into()
                };
                let page = shown.metrics.get_or_init(render).clone();
                respond(StatusCode::OK, kind, page)
            }
            Err((status, text)) => plain(status, text),
        }
    }

    /// With `status=200` that is the status of any verdict, for those who take all others for an error. With `rule=NAME`
    /// that is the only rule.
    async fn verdict(&self, query: Option<&str>) -> Response<Full<Bytes>> {
        let asked = match verdict::Asked::read(query) {
            Ok(asked) => asked,
            Err(why) => return plain(StatusCode::BAD_REQUEST, why.into()),
        };
        let shown = match self.shown().await {
            Ok(shown) => shown,
            Err((status, text)) => return plain(status, text),
        };
        match shown.verdicts.to(&asked, &shown.snapshot) {
            Some((_, text)) if asked.any => respond(StatusCode::OK, JSON, text),
            Some((status, text)) => respond(status, JSON, text),
            None => {
                let none = match asked.rule {
                    Some(_) => "no rule of this name compares targets",
                    None => {
                        "nothing is compared: give targets with role=baseline and role=candidate"
                    }
                };
                plain(StatusCode::NOT_FOUND, none.into())
            }
        }
    }

    async fn ledger(&self) -> Response<Full<Bytes>> {
        match self.books().await {
            Ok(books) => respond(StatusCode::OK, JSON, books),
            Err((status, text)) => plain(status, text),
        }
    }

    /// The books of all rules as JSON in one line: see [`books`].
    pub(super) async fn books(&self) -> Result<Bytes, Failure> {
        let shown = self.shown().await?;
        let render = || books::render(&shown.snapshot, shown.at.duration_since(self.started));
        Ok(shown.books.get_or_init(render).clone())
    }

    /// What there is to show now, or a moment ago.
    pub(super) async fn shown(&self) -> Result<Arc<Shown>, Failure> {
        // Held while the mirrors are asked: whoever comes meanwhile gets the same answer.
        let mut last = self.shown.lock().await;
        if let Some(shown) = &*last
            && shown.at.elapsed() < self.limits.metrics_age
        {
            return Ok(Arc::clone(shown));
        }
        let snapshot = self.ask(self.limits.answer_time, Ask::Snapshot).await?;
        let snapshot =
            snapshot.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")))?;
        let shown = Arc::new(Shown {
            at: Instant::now(),
            snapshot,
            metrics: OnceLock::new(),
            verdicts: verdict::Answers::default(),
            books: OnceLock::new(),
        });
        *last = Some(Arc::clone(&shown));
        Ok(shown)
    }

    fn own_metrics(&self, snapshot: &Snapshot) -> String {
        let istio = self
            .istio
            .iter()
            .map(|names| metrics::of_istio(snapshot, names));
        let [evicted, timed_out] =
            [&self.evicted, &self.timed_out].map(|it| it.load(Ordering::Relaxed));
        istio.collect::<String>() + &metrics::of_server(evicted, timed_out)
    }

    /// A line for each target.
    pub(super) async fn rates(&self) -> Result<String, Failure> {
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
        let (rate, rule) = rate::read(request).await?;
        self.change_rate(client, rule.as_deref(), rate).await
    }

    /// Does what somebody says who may.
    pub(super) async fn change_rate(
        &self,
        by: impl fmt::Display,
        rule: Option<&str>,
        rate: Rate,
    ) -> Result<String, Failure> {
        let set = self.ask(self.limits.answer_time, |reply| Ask::SetSampleRate {
            rule: rule.map(str::to_owned),
            rate,
            reply,
        });
        match set.await? {
            Ok(()) => {
                let whose = rule.unwrap_or("all rules");
                log::info!("sample rate set to {rate} for {whose} by {by}");
                self.rates().await
            }
            Err(Refused::UnknownRule) => Err((StatusCode::NOT_FOUND, "no such rule".into())),
            Err(Refused::Failed(error)) => {
                Err((StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")))
            }
        }
    }

    pub(super) async fn ask<T>(
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

impl Answers for Routes {
    type Body = Full<Bytes>;

    async fn answer(
        &self,
        client: Client,
        request: Request<Incoming>,
        _patience: &Arc<Patience>,
    ) -> Response<Full<Bytes>> {
        self.answer(client, request).await
    }

    /// For who looks again and again from this machine, as by a port-forward that is kept open, and says so.
    fn keeps(&self, client: Client, request: &Request<Incoming>) -> bool {
        let fields = request.headers();
        let wants = fields.get(CONNECTION).is_some_and(|it| it == "keep-alive");
        request.uri().path() == "/ledger" && wants && client.is_here()
    }

    fn count_evicted(&self) {
        self.evicted.fetch_add(1, Ordering::Relaxed);
    }

    fn count_timed_out(&self) {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whoever names us as a target speaks with our own voice: what bears the mark of a copy gets nothing.
pub(super) fn refusal_of_copy(fields: &HeaderMap) -> Option<Response<Full<Bytes>>> {
    let why = "a copy of somebody's request is nobody's wish";
    fields
        .contains_key(MIRRORED_BY)
        .then(|| plain(StatusCode::FORBIDDEN, why.into()))
}

const fn unavailable(why: String) -> Failure {
    (StatusCode::SERVICE_UNAVAILABLE, why)
}
