//! The essentials of the schema of CSAF 2.0 and 2.1: properties, their types, words and patterns (section 3).
//!
//! CVSS objects are left to tests 6.1.8 to 6.1.10; those of SSVC and the extensions of 2.1 are not looked at.

mod tree;
mod vulnerability;

use super::Versions::{Two, TwoOne};
use super::structure::Field;
use super::structure::Shape::{self, Like, List, Object, Set, Text, Word};
use super::words;
use tree::TREE;
use vulnerability::VULNERABILITY;

const fn must(name: &'static str, shape: &'static Shape) -> Field {
    Field::must(name, shape)
}

const fn may(name: &'static str, shape: &'static Shape) -> Field {
    Field::may(name, shape)
}

/// A document.
pub static DOCUMENT: Shape = Object(
    &[
        must("$schema", &URI).of(TwoOne),
        must("document", &HEAD),
        may("product_tree", &TREE),
        may("vulnerabilities", &List(&VULNERABILITY, 1)),
    ],
    0,
);

static URI: Shape = Like("an address", words::is_uri);
static DATE: Shape = Like("a date and time", words::is_date);
static LANG: Shape = Like("a language", words::is_language);
static VERSION: Shape = Like("a version", words::is_version);
static CATEGORY: Shape = Like("a category", words::is_category);
static TEXTS: Shape = List(&Text, 1);
static TEXT_SET: Shape = Set(&Text, 1);
static URIS: Shape = List(&URI, 1);

static HEAD: Shape = Object(
    &[
        may("acknowledgments", &ACKNOWLEDGMENTS),
        may("aggregate_severity", &Object(&[may("namespace", &URI), must("text", &Text)], 0)),
        must("category", &CATEGORY),
        must("csaf_version", &Text),
        may("distribution", &DISTRIBUTION).of(Two),
        must("distribution", &DISTRIBUTION).of(TwoOne),
        may("lang", &LANG),
        may("license_expression", &Text).of(TwoOne),
        may("notes", &NOTES),
        must("publisher", &PUBLISHER),
        may("references", &REFERENCES),
        may("source_lang", &LANG),
        must("title", &Text),
        must("tracking", &TRACKING),
    ],
    0,
);

static ACKNOWLEDGMENTS: Shape =
    List(&Object(&[may("names", &TEXTS), may("organization", &Text), may("summary", &Text), may("urls", &URIS)], 1), 1);

static DISTRIBUTION: Shape = Object(
    &[
        may("text", &Text),
        may("tlp", &TLP).of(Two),
        must("tlp", &TLP).of(TwoOne),
        may(
            "sharing_group",
            &Object(
                &[must("id", &Like("a UUID that is random, least or greatest", words::is_group)), may("name", &Text)],
                0,
            ),
        )
        .of(TwoOne),
    ],
    1,
);

static TLP: Shape = Object(
    &[
        must("label", &Word(&["AMBER", "GREEN", "RED", "WHITE"])).of(Two),
        must("label", &Word(&["AMBER", "AMBER+STRICT", "CLEAR", "GREEN", "RED"])).of(TwoOne),
        may("url", &URI),
    ],
    0,
);

static NOTES: Shape = List(
    &Object(
        &[
            may("audience", &Text),
            must(
                "category",
                &Word(&["description", "details", "faq", "general", "legal_disclaimer", "other", "summary"]),
            ),
            may("group_ids", &TEXT_SET).of(TwoOne),
            may("product_ids", &TEXT_SET).of(TwoOne),
            must("text", &Text),
            may("title", &Text),
        ],
        0,
    ),
    1,
);

static REFERENCES: Shape =
    List(&Object(&[may("category", &Word(&["external", "self"])), must("summary", &Text), must("url", &URI)], 0), 1);

static PUBLISHER: Shape = Object(
    &[
        must("category", &Word(&["coordinator", "discoverer", "other", "translator", "user", "vendor"])).of(Two),
        must("category", &Word(&["coordinator", "discoverer", "multiplier", "other", "translator", "user", "vendor"]))
            .of(TwoOne),
        may("contact_details", &Text).of(Two),
        may("issuing_authority", &Text),
        must("name", &Text),
        must("namespace", &URI),
    ],
    0,
);

static TRACKING: Shape = Object(
    &[
        may("aliases", &TEXT_SET),
        must("current_release_date", &DATE),
        may(
            "generator",
            &Object(
                &[may("date", &DATE), must("engine", &Object(&[must("name", &Text), may("version", &Text)], 0))],
                0,
            ),
        ),
        must("id", &Like("an id that begins and ends with a visible character", words::is_trimmed)),
        must("initial_release_date", &DATE),
        must(
            "revision_history",
            &List(
                &Object(
                    &[
                        must("date", &DATE),
                        may("legacy_version", &Text),
                        must("number", &VERSION),
                        must("summary", &Text),
                    ],
                    0,
                ),
                1,
            ),
        ),
        must("status", &Word(&["draft", "final", "interim"])),
        must("version", &VERSION),
    ],
    0,
);
