//! Istio: `VirtualService` says which requests are mirrored where, `DestinationRule` which pods a
//! subset is.
//!
//! Source: the reference of networking/v1, HTTPRoute, HTTPMatchRequest, HTTPMirrorPolicy and
//! Destination; of its versions v1, v1beta1 and v1alpha3 only the name differs.

mod destination;
mod host;
mod request_match;
mod string_match;
mod subsets;
mod virtual_service;

pub(super) use subsets::Subsets;
pub(super) use virtual_service::read as read_virtual_service;
