//! The platform catalog and the matcher.

use std::fs;
use std::path::PathBuf;

use rattlewatch::model::platform::{Field, PlatformId, Product, Tag};
use rattlewatch::platforms::{Catalog, Matcher, TagInput};

fn built_in() -> (Catalog, Matcher) {
    let catalog = Catalog::built_in().unwrap_or_else(|faults| panic!("{faults}"));
    let matcher = Matcher::new(&catalog);
    (catalog, matcher)
}

fn tags_of(matcher: &Matcher, title: &str, text: &str) -> Vec<Tag> {
    matcher.tag(&TagInput { title, text, products: &[], source_platforms: &[] })
}

fn ids(tags: &[Tag]) -> Vec<&str> {
    tags.iter().map(|tag| tag.platform.0.as_str()).collect()
}

#[test]
fn every_example_of_the_catalog_holds() {
    let (catalog, matcher) = built_in();
    let mut wrong = Vec::new();
    for platform in catalog.iter() {
        let target = catalog.tagged_as(&platform.id.0).map_or("", |target| target.id.0.as_str());
        for (examples, wanted) in [(&platform.hits, true), (&platform.misses, false)] {
            for example in examples {
                let tags = tags_of(&matcher, "", example);
                if ids(&tags).contains(&target) != wanted {
                    wrong.push(format!("{}: {example:?} wanted {wanted}, tagged {:?}", platform.id, ids(&tags)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
