//! Text that means harm, and properties that hold for any text.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rattlewatch::platforms::{Catalog, Matcher, TagInput};

use super::{ids, tags};

/// Far more than an unoptimized build on a busy machine needs; quadratic cost needs hours.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_megabyte_of_names_ends_soon_and_keeps_little() {
    let catalog = Catalog::built_in();
    let mut text = String::new();
    while text.len() < 1024 * 1024 {
        for platform in &catalog {
            for name in platform.aliases.iter().chain(&platform.weak).chain(&platform.near).chain(&platform.not) {
                let _ = write!(text, "{name} ");
            }
        }
    }
    let started = Instant::now();
    let found = Matcher::new(&catalog).tag(&TagInput { text: &text, ..TagInput::default() });
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    assert!(found.len() > 100);
    assert!(found.iter().all(|tag| tag.evidence.len() <= 8));
}

#[test]
fn one_weak_name_a_hundred_thousand_times_ends_soon() {
    let started = Instant::now();
    let _ = tags("Microsoft", &"Word Word Teams ".repeat(20_000));
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

#[test]
fn remains_of_markup_do_not_hide_a_name() {
    assert_eq!(ids("<b>ScreenConnect</b>&nbsp;23.9", "").last().map(String::as_str), Some("screenconnect"));
    assert_eq!(ids("&lt;p&gt;FortiOS&nbsp;7&lt;/p&gt;", ""), ["fortigate"]);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_evidence_is_always_in_the_text(title in "\\PC{0,60}", text in any::<String>()) {
        for tag in tags(&title, &text) {
            prop_assert!((0.5..=1.0).contains(&tag.confidence));
            prop_assert!(!tag.evidence.is_empty());
        }
    }

    #[test]
    fn names_among_anything_leave_evidence_that_can_be_found_again(before in "\\PC{0,20}", after in "\\PC{0,20}") {
        let text = format!("{before} Microsoft Word, iOS and N\u{2011}central of N-able {after}");
        for tag in tags("", &text) {
            for evidence in tag.evidence {
                prop_assert_eq!(&text[evidence.offset..evidence.offset + evidence.matched.len()], evidence.matched.as_str());
            }
        }
    }

    #[test]
    fn unrelated_sentences_after_it_never_take_a_tag_away(words in prop::collection::vec("[bcdfg]{3,9}", 0..40)) {
        let text = format!("A flaw in FortiOS is exploited. {}.", words.join(" "));
        prop_assert_eq!(ids("", &text), ["fortigate"]);
    }
}
