//! What a PUT of a sample rate says.

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{
    Request, StatusCode,
    body::{Body as _, Incoming},
};
use mirror_core::value::Rate;

use super::{limits::BODY_BYTES, routes::Failure};

/// Reads the rate, and the name of the rule that is meant; `None` is all of them.
pub(super) async fn read(request: Request<Incoming>) -> Result<(Rate, Option<String>), Failure> {
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
    parse(line).map_err(bad_request)
}

/// `50%`, or that with a tab and a rule's name.
fn parse(line: &str) -> Result<(Rate, Option<String>), String> {
    let line = line.strip_suffix('\n').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let (rate, rule) = match line.split_once('\t') {
        None => (line, None),
        Some((rate, rule)) => (rate, Some(rule.to_owned())),
    };
    let rate = rate.parse::<Rate>().map_err(|error| error.to_string())?;
    Ok((rate, rule))
}

const fn bad_request(why: String) -> Failure {
    (StatusCode::BAD_REQUEST, why)
}
