//! Platforms and tags: which product an advisory touches, and what says so.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text;

/// The id of a platform in `platforms.toml`, such as `screenconnect`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlatformId(pub String);

impl fmt::Display for PlatformId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A product as structured data names it. Empty strings mean "not stated".
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Product {
    /// The vendor's name or CPE vendor.
    pub vendor: String,
    /// The product's name or CPE product.
    pub product: String,
    /// A CPE 2.3 name or its `vendor:product` core.
    pub cpe: String,
    /// The versions that `status` speaks of, as published, such as `before 24.4.2`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub versions: String,
    /// What is said of them.
    #[serde(skip_serializing_if = "ProductStatus::is_affected")]
    pub status: ProductStatus,
}

/// What structured data says of a product (CSAF 2.0 section 3.2.3.9 in short).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductStatus {
    /// Affected, or named without a status.
    #[default]
    Affected,
    /// These versions have the fix.
    Fixed,
    /// Not affected: it gives no tag.
    NotAffected,
    /// Nobody knows yet.
    UnderInvestigation,
}

impl ProductStatus {
    /// Whether it is the usual one.
    #[must_use]
    pub fn is_affected(&self) -> bool {
        *self == Self::Affected
    }
}

/// Which part of an advisory gave a piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    /// The title.
    Title,
    /// The body text.
    Text,
    /// A product or CPE named in structured data.
    Product,
    /// The source itself speaks only of this vendor's products.
    Source,
    /// The host of its page, where that is a vendor's own.
    Link,
}

/// Why a tag was given: the exact words, where they stand, and the alias they match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Evidence {
    /// The part it was found in.
    pub field: Field,
    /// The matched words, as published.
    pub matched: String,
    /// The catalog's name that they match.
    pub alias: String,
    /// Byte offset of the match in that part (0 for products and sources).
    pub offset: usize,
}

/// In which part a platform is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The product with the flaw, or the one that is attacked: people hear of it.
    #[default]
    Affected,
    /// Merely named: who found it, what something else runs on, what attackers brought along. It is found by a search.
    Mentioned,
}

impl Role {
    fn is_affected(&self) -> bool {
        *self == Self::Affected
    }
}

/// An advisory names a platform, in a role, with a confidence and its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tag {
    /// The platform.
    #[serde(rename = "id")]
    pub platform: PlatformId,
    /// In which part.
    #[serde(default, skip_serializing_if = "Role::is_affected")]
    pub role: Role,
    /// The platform that stands for all that its vendor makes: whoever asked for that one hears of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<PlatformId>,
    /// 0.0 to 1.0: how surely the advisory speaks of this platform in that role.
    pub confidence: f64,
    /// At least one piece, the strongest first.
    pub evidence: Vec<Evidence>,
}

impl Evidence {
    /// What says so, as a clause: `the title says 'ScreenConnect'`.
    #[must_use]
    pub fn clause(&self) -> String {
        let words = text::truncate(&text::one_line(&self.matched), 60);
        match self.field {
            Field::Title => format!("the title says '{words}'"),
            Field::Text => format!("the text says '{words}'"),
            Field::Product => format!("the product data name '{words}'"),
            Field::Source => "the source covers this vendor only".to_owned(),
            Field::Link => format!("it stands on the vendor's own page, {words}"),
        }
    }
}

impl Tag {
    /// What says so, as a clause: `the title says 'ScreenConnect' and the product data name 'connectwise:screenconnect'`.
    #[must_use]
    pub fn because(&self) -> String {
        let mut said: Vec<String> = Vec::new();
        for piece in &self.evidence {
            let clause = piece.clause();
            if !said.contains(&clause) && said.len() < 2 {
                said.push(clause);
            }
        }
        said.join(" and ")
    }
}
