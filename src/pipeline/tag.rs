//! Tag: which platforms a draft touches, with the evidence.

use crate::config::sources::Source;
use crate::model::draft::Draft;
use crate::platforms::{Matcher, TagInput};

/// Tags every draft of a source.
pub fn all(matcher: &Matcher, source: &Source, drafts: &mut [Draft]) {
    for draft in drafts {
        draft.tags = matcher.tag(&TagInput {
            title: &draft.item.title,
            text: &draft.item.text,
            products: &draft.item.products,
            source_platforms: &source.platforms,
        });
    }
}
