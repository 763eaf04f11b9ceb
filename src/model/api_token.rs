//! API tokens: which programs act for an organization, what they may do, and until when.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::clock::Timestamp;

/// By what scanners of published code know a token of ours.
pub const PREFIX: &str = "rwt_";

/// What a token lets a program do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Read what the organization may read.
    Read,
    /// Change clients and stacks, and say what was done.
    Write,
}

impl Scope {
    /// Every scope, the weakest first.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];

    /// The word used on the command line, in JSON and storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str().eq_ignore_ascii_case(text.trim()));
        found.ok_or_else(|| format!("'{text}' is not a scope (read, write)"))
    }
}

/// A program's token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiToken {
    /// Our id, `token-` and a number.
    pub id: String,
    /// For which organization it acts.
    pub organization: String,
    /// What it is called.
    pub name: String,
    /// What it lets a program do; sorted.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Until when it holds.
    pub expires_at: Timestamp,
    /// When it was last used, to within a minute.
    pub last_used_at: Option<Timestamp>,
    /// When somebody revoked it.
    pub revoked_at: Option<Timestamp>,
}

impl ApiToken {
    /// Whether it lets a program do this.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether it holds, in a word.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> &'static str {
        match self {
            token if token.revoked_at.is_some() => "revoked",
            token if token.expires_at <= now => "expired",
            _ => "holds",
        }
    }
}
