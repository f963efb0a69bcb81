//! How much is mirrored: percentages and fractions as the documents have them.
//!
//! Absent means all, in Istio, Envoy and Gateway API alike; explicit 0 means nothing.

use mirror_core::value::Rate;
use serde_json::Value;

use super::{
    error::BadField,
    node::{Fields, Node},
};

/// A number of per cent, taken by its decimal form.
pub(super) fn percent(node: &Node<'_>) -> Result<Rate, BadField> {
    match node.value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            // -0 is 0, as JSON sees it.
            let number = if number == 0.0 { 0.0 } else { number };
            Rate::try_from(number).map_err(|bad| node.bad(bad))
        }
        _ => Err(node.bad("is no number of per cent")),
    }
}

/// Istio's `Percent`: `{value: 12.5}`. An absent value is 0, as in every protocol buffer.
pub(super) fn istio_percent(node: &Node<'_>) -> Result<Rate, BadField> {
    let mut fields = node.fields()?;
    let rate = match fields.take("value") {
        Some(value) => percent(&value)?,
        None => Rate::ZERO,
    };
    fields.finish();
    Ok(rate)
}

/// The share of Istio's `mirror`: `mirrorPercentage`, or else the older `mirrorPercent` or
/// `mirror_percent`.
pub(super) fn istio_mirror(route: &mut Fields<'_>) -> Result<Option<Rate>, BadField> {
    let mut share = match route.take("mirrorPercentage") {
        Some(node) => Some(istio_percent(&node)?),
        None => None,
    };
    for name in ["mirrorPercent", "mirror_percent"] {
        let Some(node) = route.take(name) else {
            continue;
        };
        node.integer(0, 100)?;
        let older = percent(&node)?;
        match share {
            None => share = Some(older),
            Some(_) => node.ignore("another field says the percentage"),
        }
    }
    Ok(share)
}

/// The share of Gateway API's `requestMirror`: `percent` or `fraction`.
pub(super) fn gateway_mirror(filter: &mut Fields<'_>) -> Result<Option<Rate>, BadField> {
    let percentage = filter.take("percent");
    let Some(fraction) = filter.take("fraction") else {
        let Some(node) = percentage else {
            return Ok(None);
        };
        node.integer(0, 100)?;
        return percent(&node).map(Some);
    };
    if percentage.is_some() {
        return Err(fraction.bad("and percent exclude each other"));
    }
    let mut fields = fraction.fields()?;
    let part = fields.need("numerator")?.integer(0, i32::MAX as u64)?;
    let whole = match fields.take("denominator") {
        Some(node) => node.integer(1, i32::MAX as u64)?,
        None => 100,
    };
    fields.finish();
    match Rate::from_fraction(part, whole) {
        Some(rate) => Ok(Some(rate)),
        None => Err(fraction.bad("is more than the whole")),
    }
}
