//! Topics: what an advisory is about beside products, such as managed service providers themselves.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an advisory can be about, whichever products it touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Managed service providers and their customers. Everybody hears of it who does not ask not to.
    Msp,
    /// Ransomware and extortion.
    Ransomware,
    /// Attacks by way of a supplier.
    SupplyChain,
    /// Remote management, remote desktops and gateways into networks.
    RemoteAccess,
    /// Sign-in, passwords and directories.
    Identity,
    /// Mail servers, mail filters and phishing.
    Email,
    /// Backups, and attacks on them.
    Backup,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 7] =
        [Self::Msp, Self::Ransomware, Self::SupplyChain, Self::RemoteAccess, Self::Identity, Self::Email, Self::Backup];

    /// The word used in `topics.toml`, on the command line, in JSON and storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Msp => "msp",
            Self::Ransomware => "ransomware",
            Self::SupplyChain => "supply-chain",
            Self::RemoteAccess => "remote-access",
            Self::Identity => "identity",
            Self::Email => "email",
            Self::Backup => "backup",
        }
    }

    /// As people are told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Msp => "managed service providers",
            Self::Ransomware => "ransomware",
            Self::SupplyChain => "supply-chain attacks",
            Self::RemoteAccess => "remote access",
            Self::Identity => "sign-in and identity",
            Self::Email => "e-mail",
            Self::Backup => "backup",
        }
    }

    /// The name under which events and subscriptions meet; no platform has such an id.
    #[must_use]
    pub fn key(self) -> String {
        format!("topic:{self}")
    }

    /// The topic of a [`Topic::key`].
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        key.strip_prefix("topic:")?.parse().ok()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Topic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        Self::ALL.into_iter().find(|topic| topic.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            format!("'{text}' is not a topic ({all})")
        })
    }
}

/// That an advisory is about a topic, and why we say so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct About {
    /// The topic.
    pub topic: Topic,
    /// A clause such as `the title says 'MSPs'`.
    pub because: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_keys_are_read_back() {
        for topic in Topic::ALL {
            assert_eq!(topic.as_str().parse(), Ok(topic));
            assert_eq!(Topic::of_key(&topic.key()), Some(topic));
        }
        assert!("cloud".parse::<Topic>().expect_err("no topic").contains("supply-chain"));
        assert_eq!(Topic::of_key("screenconnect"), None);
    }
}
