//! A destination, who named it, and whose requests it gets: what stands behind it depends on all three.

use std::{fmt, str::FromStr};

use mirror_core::{
    destination::{Destination, Origin, TargetSpec},
    value::BadValue,
};

use crate::plan::Source;

/// Where copies go, by whose word. The operator's word is taken as it is; behind a document's only pods
/// count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aim {
    /// Where copies are sent.
    pub destination: Destination,
    /// Who named the destination: the operator, or a document of a namespace.
    pub origin: Origin,
    /// The pods whose requests are copied: none of them gets copies, whatever else it is. `None` if that does not
    /// matter.
    pub source: Option<Source>,
}

impl Aim {
    /// Where a rule with this source sends the copies for one of its targets.
    #[must_use]
    pub fn of(source: &Source, target: &TargetSpec) -> Self {
        Self {
            destination: target.destination.clone(),
            origin: target.origin,
            source: Some(source.clone()),
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
            source: None,
        })
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.destination.fmt(f)
    }
}
