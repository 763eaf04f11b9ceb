//! Organizations: managed service providers, their clients and their people.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::clock::Timestamp;
use crate::model::platform::PlatformId;

/// A managed service provider: the tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Organization {
    /// Our id, `org-` and a number.
    pub id: String,
    /// Its name; no other has it.
    pub name: String,
    /// What it runs itself; sorted.
    pub stack: Vec<PlatformId>,
    /// When it was added.
    pub created_at: Timestamp,
}

/// A customer of an organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Client {
    /// Our id, `client-` and a number.
    pub id: String,
    /// Whose customer it is.
    pub organization: String,
    /// Its name; no other client of the organization has it.
    pub name: String,
    /// What it runs; sorted.
    pub stack: Vec<PlatformId>,
    /// When it was added.
    pub created_at: Timestamp,
}

/// A person of an organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Our id, `member-` and a number.
    pub id: String,
    /// Whose member it is.
    pub organization: String,
    /// The address, by which the person signs in.
    pub email: String,
    /// The person's name; may be empty.
    pub name: String,
    /// What the person may do.
    pub role: Role,
    /// When it was added.
    pub created_at: Timestamp,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads, and records what was done.
    #[default]
    Technician,
    /// All of it, and decides who belongs to the organization.
    Owner,
}

impl Role {
    /// Every role, the weakest first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Technician, Self::Owner];

    /// The word used on the command line, in JSON and storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Technician => "technician",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        Self::ALL
            .into_iter()
            .find(|role| role.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("'{text}' is not a role (viewer, technician, owner)"))
    }
}

/// Whose stack: an organization's or one client's, by its id (`org-1`, `client-7`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(pub String);

impl Owner {
    /// It is an organization, whose whole stack is its own and those of all its clients.
    #[must_use]
    pub fn is_organization(&self) -> bool {
        self.0.starts_with("org-")
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
