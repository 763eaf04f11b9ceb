//! Text that means harm, and properties that hold for any text.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rattlewatch::platforms::{Catalog, Category, Matcher, TagInput};

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

#[test]
fn letters_that_only_look_latin_are_read_as_they_look() {
    // Cyrillic es, ie and o; Greek omicron and capital nu.
    for title in [
        "A flaw in S\u{441}r\u{435}\u{435}nC\u{43e}nnect",
        "A flaw in Screenc\u{3bf}nnect",
        "A flaw in SCREE\u{39d}CONNECT",
        "A flaw in S\u{ff43}reen\u{200b}Connect",
    ] {
        assert_eq!(ids(title, ""), ["screenconnect"], "{title}");
    }
    // A word of another script stays one.
    assert_eq!(ids("\u{421}\u{440}\u{435}\u{434}\u{430} \u{438} \u{442}\u{43e}\u{43a}", ""), Vec::<String>::new());
}

#[test]
fn names_in_capitals_are_names() {
    assert_eq!(
        ids("FORTIOS, SCREENCONNECT AND VEEAM BACKUP & REPLICATION ARE AFFECTED", ""),
        ["fortigate", "screenconnect", "veeam-vbr"]
    );
}

/// A sentence that must be tagged, its platform, and whether its tag rests on letters in their case.
fn any_hit() -> impl Strategy<Value = (String, String, bool)> {
    let catalog = Catalog::built_in();
    let mut hits = Vec::new();
    for platform in catalog.iter().filter(|platform| platform.category != Category::Vendor) {
        let id = platform.same_as.as_ref().unwrap_or(&platform.id);
        for hit in &platform.hits {
            hits.push((id.0.clone(), hit.clone(), !platform.exact.is_empty()));
        }
    }
    prop::sample::select(hits)
}

proptest! {
    #[test]
    fn unrelated_text_around_it_never_takes_a_tag_away(
        (id, hit, _) in any_hit(),
        before in prop::collection::vec("[bcdfg]{3,9}", 1..40),
        after in prop::collection::vec("[bcdfg]{3,9}", 1..40),
    ) {
        let text = format!("{}.\n\n{hit}. {}.", before.join(" "), after.join(" "));
        prop_assert!(ids("", &text).contains(&id), "{id}: {text}");
        prop_assert!(ids(&hit, &after.join(" ")).contains(&id), "{id}: {hit}");
    }

    #[test]
    fn case_and_punctuation_do_not_matter((id, hit, cased) in any_hit(), way in 0..6) {
        let text = match way {
            0 if cased => hit.clone(),
            1 if cased => hit.clone(),
            0 => hit.to_uppercase(),
            1 => hit.to_lowercase(),
            2 => format!("({hit})"),
            3 => format!("\u{201c}{hit}\u{201d}!"),
            4 => format!("* {hit};"),
            _ => hit.replace('-', "\u{2011}").replace(' ', "  "),
        };
        prop_assert!(ids("", &text).contains(&id), "{id}: {text}");
    }

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
