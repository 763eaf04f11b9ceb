//! Tag: which platforms a draft names, and what it is about beside products, with the evidence.

use crate::config::sources::Source;
use crate::model::draft::Draft;
use crate::model::platform::PlatformId;
use crate::model::topic::{About, Topic};
use crate::platforms::{Matcher, TagInput};

/// Tags every draft of a source.
pub fn all(matcher: &Matcher, source: &Source, drafts: &mut [Draft]) {
    for draft in drafts {
        one(matcher, &source.platforms, draft);
    }
}

/// Tags a draft of a source that speaks of `source_platforms`, whatever tags it had.
pub fn one(matcher: &Matcher, source_platforms: &[PlatformId], draft: &mut Draft) {
    let input = TagInput {
        title: &draft.item.title,
        text: &draft.item.text,
        products: &draft.item.products,
        source_platforms,
        link: draft.item.url.as_deref().unwrap_or_default(),
    };
    let mut tags = matcher.tag(&input);
    tags.retain(|tag| !draft.denied.contains(&tag.platform));
    let mut topics = matcher.topics(&input, &tags);
    if draft.ransomware && !topics.iter().any(|about| about.topic == Topic::Ransomware) {
        topics.push(About { topic: Topic::Ransomware, because: "it is used in ransomware campaigns".to_owned() });
        topics.sort();
    }
    (draft.tags, draft.topics) = (tags, topics);
}
