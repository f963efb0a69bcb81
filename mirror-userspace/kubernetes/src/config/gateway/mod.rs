//! Gateway API: `HTTPRoute` and `GRPCRoute` with `RequestMirror` filters.
//!
//! Source: gateway-api apis/v1, httproute_types.go, grpcroute_types.go and shared_types.go, and
//! GEP-3171 for percentages.

mod backend;
mod request_match;
mod route;

pub(super) use route::read as read_route;
