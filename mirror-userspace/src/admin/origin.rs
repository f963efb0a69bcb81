//! On whose behalf a browser asks.

use std::net::IpAddr;

use hyper::{
    HeaderMap,
    header::{HOST, HeaderValue},
    http::uri::Authority,
};

use super::routes::FETCH_SITE;

/// Said to who asks by name.
pub(super) const BY_ADDRESS: &str = "ask by address (127.0.0.1) or as localhost: any other name may be somebody's who leads \
     your browser here";

/// Said to pages of other sites.
pub(super) const OTHER_SITES: &str = "not for pages of other sites";

/// Whether `Host` is an address or `localhost`. A page of somebody else's reaches us by a name of its own,
/// which it has lead here (DNS rebinding).
pub(super) fn is_asked_by_address(fields: &HeaderMap) -> bool {
    let mut hosts = fields.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Ok(authority) = Authority::try_from(host.as_bytes()) else {
        return false;
    };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

/// Said to who asks through a proxy.
pub(super) const BY_PROXY: &str = "a proxy on this machine asks for somebody else: ask it directly";

/// Whether a proxy says that it asks for somebody: its address says nothing about theirs.
pub(super) fn is_forwarded(fields: &HeaderMap) -> bool {
    let names = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];
    names.iter().any(|name| fields.contains_key(*name))
}

/// Whether a browser says that a page of another site asks (<https://www.w3.org/TR/fetch-metadata/>).
pub(super) fn is_from_elsewhere(fields: &HeaderMap) -> bool {
    let site = fields.get(FETCH_SITE).map(HeaderValue::as_bytes);
    site.is_some_and(|site| site != b"same-origin" && site != b"none")
}
