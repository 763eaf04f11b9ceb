//! Traffic Light Protocol: how far a text may travel.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A TLP 2.0 label (FIRST, August 2022), from the freest to the strictest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tlp {
    /// No limit on disclosure. TLP 1.0 called it WHITE.
    #[default]
    #[serde(rename = "CLEAR")]
    Clear,
    /// Within the recipient's community: signed-in subscribers, no public page.
    #[serde(rename = "GREEN")]
    Green,
    /// Within the recipient's organization and its clients.
    #[serde(rename = "AMBER")]
    Amber,
    /// Within the recipient's organization.
    #[serde(rename = "AMBER+STRICT")]
    AmberStrict,
    /// For the eyes of the recipient alone; never mailed.
    #[serde(rename = "RED")]
    Red,
}

impl Tlp {
    /// Every label, from the freest to the strictest.
    pub const ALL: [Self; 5] = [Self::Clear, Self::Green, Self::Amber, Self::AmberStrict, Self::Red];

    /// Whether anybody may read it.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        *self == Self::Clear
    }

    /// The label as it is written after `TLP:`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "CLEAR",
            Self::Green => "GREEN",
            Self::Amber => "AMBER",
            Self::AmberStrict => "AMBER+STRICT",
            Self::Red => "RED",
        }
    }
}

impl fmt::Display for Tlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Tlp {
    type Err = String;

    /// Reads a label of TLP 1.0 or 2.0, with or without `TLP:`, in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let upper = text.trim().to_ascii_uppercase();
        let label = upper.strip_prefix("TLP:").unwrap_or(&upper);
        if label == "WHITE" {
            return Ok(Self::Clear);
        }
        Self::ALL
            .into_iter()
            .find(|tlp| tlp.as_str() == label)
            .ok_or_else(|| format!("'{text}' is not a TLP label; write CLEAR, GREEN, AMBER, AMBER+STRICT or RED"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_both_versions_are_read() {
        assert_eq!("WHITE".parse(), Ok(Tlp::Clear));
        assert_eq!("tlp:amber+strict".parse(), Ok(Tlp::AmberStrict));
        assert!("PINK".parse::<Tlp>().is_err());
        for tlp in Tlp::ALL {
            assert_eq!(tlp.as_str().parse(), Ok(tlp));
        }
    }
}
