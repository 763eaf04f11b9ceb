//! The catalog: every platform with the names, product ids and examples that `platforms.toml` gives it.
//!
//! Rule: a [`Catalog`] that exists is sound. Its only door is [`Catalog::parse`], which tells every fault at once.

use std::collections::{BTreeMap, BTreeSet};

use super::written;
use crate::config::fault::{ConfigError, Faults, closest};
use crate::model::platform::PlatformId;

/// The catalog that ships with the program.
pub const BUILT_IN: &str = include_str!("../../platforms.toml");

/// What messages call [`BUILT_IN`].
pub const BUILT_IN_NAME: &str = "platforms.toml (built in)";

/// The categories that a platform may be of.
pub const CATEGORIES: [&str; 16] = [
    "rmm",
    "psa",
    "remote-access",
    "backup-bcdr",
    "edr-av-mdr",
    "firewall-network",
    "vpn-gateway",
    "identity-password",
    "email-security",
    "virtualization",
    "storage-nas",
    "documentation",
    "voip-collab",
    "os-productivity",
    "web-cms",
    "monitoring",
];

/// A product that MSPs run, and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// Unique; subscriptions name it.
    pub id: PlatformId,
    /// As shown to people.
    pub name: String,
    /// Its maker, as shown to people.
    pub vendor: String,
    /// One of [`CATEGORIES`].
    pub category: String,
    /// Names that stand alone.
    pub aliases: Vec<String>,
    /// Former names; they count like aliases.
    pub former: Vec<String>,
    /// Names that count only with a word of `near` nearby.
    pub weak: Vec<String>,
    /// Words that must stand near a weak name.
    pub near: Vec<String>,
    /// Phrases that void a match which they overlap or adjoin.
    pub not: Vec<String>,
    /// Those of the names that count only in exactly this case.
    pub case: Vec<String>,
    /// CPE `vendor:product`, lowercase and without escapes; a `*` at the end stands for any rest.
    pub cpes: Vec<String>,
    /// `Vendor/Product` as CISA's KEV catalog writes it.
    pub kev: Vec<String>,
    /// The platform that gets this one's tags, where this is only another name for it.
    pub same_as: Option<PlatformId>,
    /// Sentences that must be tagged with this platform.
    pub hits: Vec<String>,
    /// Sentences that must not be tagged with this platform.
    pub misses: Vec<String>,
}

/// Every platform, by id.
#[derive(Clone, Debug)]
pub struct Catalog {
    platforms: BTreeMap<String, Platform>,
}

impl Catalog {
    /// The catalog in `text`, which the user calls `file`.
    ///
    /// # Errors
    /// Every fault in it, each with its line and key.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let mut faults = Faults::new(file, text);
        let platforms = written::read(text, &mut faults);
        if platforms.is_empty() && faults.is_empty() {
            faults.add(1, "platform", "no [[platform]] in this file: nothing would be tagged; add one");
        }
        let platforms = platforms.into_iter().map(|platform| (platform.id.0.clone(), platform)).collect();
        faults.finish(Self { platforms })
    }

    /// The catalog that ships with the program.
    ///
    /// # Errors
    /// None in a tested build: the tests parse it.
    pub fn built_in() -> Result<Self, ConfigError> {
        Self::parse(BUILT_IN, BUILT_IN_NAME)
    }

    /// Every id.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<String> {
        self.platforms.keys().cloned().collect()
    }

    /// The platform called `id`.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Platform> {
        self.platforms.get(id)
    }

    /// The platform that gets the tags of the one called `id`: itself, or what it is the same as.
    #[must_use]
    pub fn tagged_as(&self, id: &str) -> Option<&Platform> {
        let platform = self.get(id)?;
        platform.same_as.as_ref().map_or(Some(platform), |other| self.get(&other.0))
    }

    /// Every platform, in the order of the ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Platform> {
        self.platforms.values()
    }

    /// The id closest to `written`, for "did you mean".
    #[must_use]
    pub fn closest(&self, written: &str) -> Option<&str> {
        closest(written, self.platforms.keys().map(String::as_str))
    }
}
