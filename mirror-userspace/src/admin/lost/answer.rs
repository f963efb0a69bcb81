//! Who is told of losses, and what.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{HeaderMap, Response, StatusCode};
use mirror_core::lost::Loss;

use super::{LostOf, json, pcapng};
use crate::admin::{
    door::Client,
    origin,
    question::Ask,
    replies::told,
    routes::{Failure, JSON, Routes},
};

/// What was answered a moment ago, for all who ask soon after each other.
pub(in crate::admin) type Asked = tokio::sync::Mutex<Option<(Instant, Arc<Vec<LostOf>>)>>;

/// The path of the capture file.
const FILE: &str = "/lost.pcapng";

/// Losses that can be asked for by number at a time.
const NUMBERS: usize = 100;

impl Routes {
    /// `GET /lost`, and the same as a capture file. With `id=1,2` only those of these numbers.
    pub(in crate::admin) async fn lost(
        &self,
        client: Client,
        path: &str,
        query: Option<&str>,
        fields: &HeaderMap,
    ) -> Response<Full<Bytes>> {
        let found = match may_see(client, fields) {
            Ok(()) => self.find_lost(path, query).await,
            Err(refusal) => Err(refusal),
        };
        told(kind(path), found)
    }

    /// They, for who may see them.
    pub(in crate::admin) async fn find_lost(
        &self,
        path: &str,
        query: Option<&str>,
    ) -> Result<Bytes, Failure> {
        let numbers = numbers(query).map_err(|why| (StatusCode::BAD_REQUEST, why.to_owned()))?;
        let wanted = |loss: &Loss| {
            numbers
                .as_ref()
                .is_none_or(|numbers| numbers.contains(&loss.number))
        };
        let all = self.losses().await?;
        if path == FILE {
            let failed =
                |error: std::io::Error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
            let file = pcapng::render(&all, wanted).map_err(failed)?;
            return Ok(file.into());
        }
        Ok(json::render(&all, wanted))
    }

    async fn losses(&self) -> Result<Arc<Vec<LostOf>>, Failure> {
        // Held while the mirrors are asked: whoever comes meanwhile gets the same answer.
        let mut last = self.lost.lock().await;
        if let Some((at, all)) = &*last
            && at.elapsed() < self.limits.metrics_age
        {
            return Ok(Arc::clone(all));
        }
        let all = self.ask(self.limits.answer_time, Ask::Lost).await?;
        let failed = |error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}"));
        let all = Arc::new(all.map_err(failed)?);
        *last = Some((Instant::now(), Arc::clone(&all)));
        Ok(all)
    }
}

/// The type of what is at one of the two paths.
pub(in crate::admin) fn kind(path: &str) -> &'static str {
    match path == FILE {
        true => "application/vnd.tcpdump.pcap",
        false => JSON,
    }
}

/// Whether who asks is on this machine, and no page of another site.
///
/// # Errors
/// Another one, or a page of another site, is told what to do.
pub(in crate::admin) fn may_see(client: Client, fields: &HeaderMap) -> Result<(), Failure> {
    let forbidden = |why: &str| Err((StatusCode::FORBIDDEN, why.to_owned()));
    match client {
        Client::Socket => return Ok(()),
        Client::Network(_) if client.is_here() => {}
        Client::Network(_) => {
            return forbidden(
                "losses and differences name clients and requests: ask by the unix socket (`podmirror why --admin` where \
                 podmirror runs, or with kubectl exec), or from the same machine (kubectl port-forward)",
            );
        }
    }
    if origin::is_forwarded(fields) {
        return forbidden(origin::BY_PROXY);
    }
    if !origin::is_asked_by_address(fields) {
        return Err((
            StatusCode::MISDIRECTED_REQUEST,
            origin::BY_ADDRESS.to_owned(),
        ));
    }
    if origin::is_from_elsewhere(fields) {
        return forbidden(origin::OTHER_SITES);
    }
    Ok(())
}

/// The numbers in `id=1,2`; `None` for all.
fn numbers(query: Option<&str>) -> Result<Option<BTreeSet<u64>>, &'static str> {
    let accepted = "accepted: id=N or id=N,N,… (at most 100 numbers)";
    let Some(query) = query else {
        return Ok(None);
    };
    let list = query.strip_prefix("id=").ok_or(accepted)?;
    if list.split(',').nth(NUMBERS).is_some() {
        return Err(accepted);
    }
    let numbers: Result<_, _> = list.split(',').map(str::parse).collect();
    numbers.map(Some).map_err(|_| accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_elsewhere_is_told_nothing_whatever_he_says() {
        let mut fields = HeaderMap::new();
        fields.insert("host", "127.0.0.1".parse().unwrap());
        let sees = |client| may_see(client, &fields).is_ok();
        let network = |address: &str| Client::Network(address.parse().unwrap());
        assert!(sees(Client::Socket) && sees(network("127.0.0.1")) && sees(network("::1")));
        for address in ["10.0.0.1", "fe80::1", "::ffff:10.0.0.1", "0.0.0.0"] {
            assert!(!sees(network(address)), "{address}");
        }
        let (status, why) = may_see(network("10.0.0.1"), &fields).unwrap_err();
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(why.contains("podmirror why --admin"), "{why}");
        for name in ["forwarded", "via", "x-forwarded-for", "x-real-ip"] {
            let mut fields = fields.clone();
            fields.insert(name, "10.0.0.1".parse().unwrap());
            assert!(may_see(network("127.0.0.1"), &fields).is_err(), "{name}");
        }
    }

    #[test]
    fn as_many_numbers_are_taken_as_are_asked_for() {
        let list = |count| format!("id={}", vec!["1"; count].join(","));
        assert_eq!(numbers(Some("id=3,1")), Ok(Some(BTreeSet::from([1, 3]))));
        assert_eq!(numbers(Some(&list(100))), Ok(Some(BTreeSet::from([1]))));
        for wrong in [list(101).as_str(), "id=", "id=1,,2", "of=1"] {
            assert!(numbers(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
