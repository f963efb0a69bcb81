//! A destination and who named it: what stands behind it depends on both.

use std::{fmt, str::FromStr};

use mirror_core::{
    destination::{Destination, Origin, TargetSpec},
    value::BadValue,
};

/// Where copies go, by whose word. The operator's word is taken as it is; behind a document's only pods
/// count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aim {
    /// Where copies are sent.
    pub destination: Destination,
    /// Who named the destination: the operator, or a document of a namespace.
    pub origin: Origin,
}

impl From<&TargetSpec> for Aim {
    fn from(target: &TargetSpec) -> Self {
        Self {
            destination: target.destination.clone(),
            origin: target.origin,
        }
    }
}

impl FromStr for Aim {
    type Err = BadValue;

    /// The operator's, as a flag has it.
    fn from_str(text: &str) -> Result<Self, BadValue> {
        Ok(Self {
            destination: text.parse()?,
            origin: Origin::Operator,
        })
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.destination.fmt(f)
    }
}
