//! Enrich: what catalogs know of an advisory's CVE ids, laid over its own content.

use crate::enrichers::{epss, kev};
use crate::model::advisory::Content;
use crate::model::facts::Epss;
use crate::model::item::KevFacts;

/// Catalog facts about the CVE ids of one advisory.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// CISA KEV entries, with the name of the source that gave them.
    pub kev: Vec<(KevFacts, String)>,
    /// EPSS scores.
    pub epss: Vec<Epss>,
}

/// The content with the facts laid over it.
#[must_use]
pub fn content(mut content: Content, facts: &Facts) -> Content {
    kev::apply(&mut content, &facts.kev);
    epss::apply(&mut content, &facts.epss);
    content
}
