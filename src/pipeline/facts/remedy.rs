//! Remedies: the fix, what helps without it, and what an authority asks for.

use std::sync::LazyLock;

use regex::Regex;

use super::{origin, publisher};
use crate::model::draft::Draft;
use crate::model::facts::{Origin, Stated};
use crate::model::text;

/// Longest remedy kept, in characters.
const REMEDY: usize = 400;

static FIX: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)\b(?:upgrad(?:e|es|ing)|updat(?:e|es|ed|ing)|patch(?:es|ed|ing)?|hot-?fix(?:es)?|firmware|fixed|install(?:ing)?|new(?:er|est)?\s+(?:version|release)|latest\s+(?:version|release))\b",
    )
    .expect("the pattern is a constant")
});

static NO_FIX: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)\b(?:no|not|without|until|pending|awaiting)\b[^.]{0,60}\b(?:fix(?:ed)?|patch(?:es|ed)?|updates?|upgrades?|release)\b
          | \b(?:fix|patch|update)\b[^.]{0,40}\b(?:not\s+(?:yet\s+)?available|unavailable|planned|is\s+being\s+prepared)\b
          | \bwill\s+(?:be\s+)?(?:fix(?:ed)?|patch(?:ed)?|release)\b",
    )
    .expect("the pattern is a constant")
});

/// Whether a remedy says that there is a fix.
pub fn is_fix(words: &str) -> bool {
    FIX.is_match(words) && !NO_FIX.is_match(words)
}

/// The fix: a vendor's words go before others', structured data before what a text says.
pub fn fix(drafts: &[Draft]) -> Option<Stated> {
    best(drafts, |draft| Some(draft.action.as_str()).filter(|words| draft.item.kev.is_none() && is_fix(words)))
}

/// What helps without the fix.
pub fn workaround(drafts: &[Draft]) -> Option<Stated> {
    best(drafts, |draft| {
        let stated = draft.item.workaround.as_deref();
        let other = Some(draft.action.as_str()).filter(|words| draft.item.kev.is_none() && !is_fix(words));
        stated.or(other).filter(|words| !words.is_empty())
    })
}

/// What an authority asks people to do: the KEV catalog's required action.
pub fn asked(drafts: &[Draft]) -> Option<Stated> {
    let required = |draft: &Draft| Some(stated(&draft.item.kev.as_ref()?.action, publisher(draft)));
    drafts.iter().filter_map(required).find(|asked| !asked.text.is_empty())
}

/// The address of the fix.
pub fn patch(drafts: &[Draft]) -> Option<Stated> {
    drafts.iter().find_map(|draft| Some(Stated { text: draft.item.patch.clone()?, by: origin(draft) }))
}

fn best<'a>(drafts: &'a [Draft], words: impl Fn(&'a Draft) -> Option<&'a str>) -> Option<Stated> {
    let rank = |draft: &Draft| match (draft.vendor, draft.item.action.is_some() || draft.item.workaround.is_some()) {
        (true, true) => 0,
        (_, true) => 1,
        (true, false) => 2,
        (false, false) => 3,
    };
    let said = drafts.iter().filter_map(|draft| Some((rank(draft), draft, words(draft)?)));
    // Of equals the first one: it was there before.
    said.min_by_key(|(rank, ..)| *rank).map(|(_, draft, words)| stated(words, origin(draft)))
}

fn stated(words: &str, by: Origin) -> Stated {
    Stated { text: text::truncate(&text::one_line(words), REMEDY), by }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_that_is_only_promised_is_none() {
        for words in ["Upgrade to 23.9.8", "Apply the hotfix.", "Fixed in 7.0.1", "Install the latest firmware"] {
            assert!(is_fix(words), "{words}");
        }
        for words in [
            "No fix is available",
            "Disable the service until a patch is released",
            "There is not yet an update",
            "Block port 8041 at the firewall",
            "A patch is planned for May",
            "It will be fixed in a later release",
            "",
        ] {
            assert!(!is_fix(words), "{words}");
        }
    }
}
