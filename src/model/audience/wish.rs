//! Wishes: what one recipient wants to hear of, how and when.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{DigestSchedule, Floor, Owner, QuietHours};
use crate::model::channel::ChannelKind;
use crate::model::clock::Timestamp;
use crate::model::platform::PlatformId;
use crate::model::text;
use crate::model::topic::Topic;

/// Platforms followed as a group: what belongs to it today, and whatever joins it later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Follow {
    /// What an organization or a client runs.
    Stack(Owner),
    /// Every platform of a category, by its word in `platforms.toml`.
    Category(String),
    /// Everything by a vendor, by its name in `platforms.toml`.
    Vendor(String),
}

/// `stack:org-1`, `category:rmm`, `vendor:Kaseya`: as stored and in JSON.
impl fmt::Display for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stack(owner) => write!(f, "stack:{owner}"),
            Self::Category(word) => write!(f, "category:{word}"),
            Self::Vendor(name) => write!(f, "vendor:{name}"),
        }
    }
}

impl FromStr for Follow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("stack", owner)) => Ok(Self::Stack(Owner(owner.to_owned()))),
            Some(("category", word)) => Ok(Self::Category(word.to_owned())),
            Some(("vendor", name)) => Ok(Self::Vendor(name.to_owned())),
            _ => Err(format!("'{text}' is no group of platforms (stack:, category: or vendor:)")),
        }
    }
}

impl Serialize for Follow {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Follow {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A limit to who says it. What is limited in no way is heard from everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Only {
    /// Only advisories that one of these publishes; empty for all. Sorted, as in `sources.toml`.
    pub publishers: Vec<String>,
    /// Authorities of these countries only (`US`, `DE`, `EU`); empty for all. Vendors, researchers and databases belong
    /// to no country: what they say is heard all the same. Sorted.
    pub regions: Vec<String>,
}

impl Only {
    /// Nothing is limited.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        self.publishers.is_empty() && self.regions.is_empty()
    }

    /// The keys by which storage compares it with [`Content::origins`](crate::model::advisory::Content::origins).
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let publishers = self.publishers.iter().map(|name| publisher_key(name));
        let anywhere = (!self.regions.is_empty()).then(|| region_key(""));
        publishers.chain(self.regions.iter().map(|region| region_key(region))).chain(anywhere).collect()
    }

    /// In how many ways it is limited.
    #[must_use]
    pub fn limits(&self) -> i64 {
        i64::from(!self.publishers.is_empty()) + i64::from(!self.regions.is_empty())
    }
}

/// The key of a publisher.
#[must_use]
pub fn publisher_key(name: &str) -> String {
    format!("publisher:{}", text::fold(name))
}

/// The key of an authority's country; empty for whoever is no authority of one.
#[must_use]
pub fn region_key(region: &str) -> String {
    if region.is_empty() { "region:*".to_owned() } else { format!("region:{}", region.to_ascii_uppercase()) }
}

/// What one recipient wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wish {
    /// Every advisory, whatever it touches.
    pub everything: bool,
    /// The platforms that the recipient chose; sorted, no repeats.
    pub platforms: Vec<PlatformId>,
    /// Groups of platforms that it follows; sorted, no repeats.
    pub follows: Vec<Follow>,
    /// The platforms that those groups have now; sorted. Kept by the program, never written by people.
    #[serde(skip_deserializing)]
    pub followed: Vec<PlatformId>,
    /// What else they want to hear of, whatever it touches; sorted, no repeats.
    pub topics: Vec<Topic>,
    /// From whom alone it wants to hear.
    pub only: Only,
    /// How urgent an advisory must be to be mailed at once.
    pub floor: Floor,
    /// Mail at once, above the floor.
    pub instant: bool,
    /// When alerts wait.
    pub quiet: Option<QuietHours>,
    /// The summary.
    pub digest: DigestSchedule,
}

impl Wish {
    /// Whether the recipient asked for `platform`, by itself or by a group.
    #[must_use]
    pub fn asks_for(&self, platform: &PlatformId) -> bool {
        self.platforms.contains(platform) || self.followed.contains(platform)
    }

    /// It asks for nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.everything && self.platforms.is_empty() && self.follows.is_empty() && self.topics.is_empty()
    }
}

/// A recipient who may be mailed, and what it wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subscription {
    /// Our id, `sub-` and a number.
    pub id: String,
    /// The organization that it belongs to; empty for none.
    pub organization: String,
    /// By which way it is reached.
    pub channel: ChannelKind,
    /// The address as given (domain in lowercase A-labels); for channels that are no mail, that of the person to tell
    /// when the channel fails.
    pub email: String,
    /// What it wants.
    #[serde(flatten)]
    pub wish: Wish,
    /// How consent was given: by whom and where it is recorded.
    pub consent: String,
    /// When that consent was recorded.
    pub consent_at: Timestamp,
    /// When it was added.
    pub created_at: Timestamp,
}
