use super::*;
use crate::model::facts::Authority;
use crate::model::item::{Item, KevFacts, Score};
use crate::model::platform::{Product, ProductStatus};
use crate::model::severity::Severity;

fn draft(source: &str, item: Item) -> Draft {
    let severity = item.severity.unwrap_or_default();
    let action = item.action.clone().unwrap_or_default();
    let item = Item { url: Some(format!("https://{source}.example/1")), ..item };
    Draft { source: source.into(), source_name: source.into(), severity, action, item, ..Draft::default() }
}

fn vendor(item: Item) -> Draft {
    Draft { vendor: true, ..draft("Acme", item) }
}

fn record(scores: Vec<Score>) -> Draft {
    draft("CVE", Item { scores, speaker: Some("acme".into()), ..Item::default() })
}

fn score(by: &str, base: f64, version: &str) -> Score {
    Score { by: by.into(), base, version: version.into(), ..Score::default() }
}

#[test]
fn the_vendor_is_believed_before_the_cna_and_the_nvd_last() {
    let nvd = draft("NVD", Item { scores: vec![score("NVD", 9.8, "3.1")], ..Item::default() });
    let cna = record(vec![score("CNA", 7.2, "3.1"), score("ADP", 5.0, "3.1")]);
    let acme = vendor(Item { scores: vec![score("", 6.1, "3.1")], ..Item::default() });
    let words = draft("CERT", Item { severity: Some(Severity::Critical), ..Item::default() });
    let order = |drafts: &[Draft]| of(drafts).ratings.iter().map(|rating| rating.authority).collect::<Vec<_>>();
    let all = [nvd.clone(), words.clone(), cna.clone(), acme];
    use Authority::{Adp, Cna, Other, Vendor};
    assert_eq!(order(&all), [Vendor, Cna, Adp, Other, Other]);
    assert_eq!(of(&all).rating().map(|rating| rating.severity), Some(Severity::Medium));
    let first = of(&[nvd, words, cna]).ratings.remove(0);
    assert_eq!((first.severity, first.by.name.as_str()), (Severity::High, "acme (CVE)"));
    assert_eq!(of(&[Draft::default()]).rating(), None, "no rating is not a low one");
}

#[test]
fn of_one_voice_the_highest_score_counts_and_then_the_newest_version() {
    let rated = of(&[record(vec![score("CNA", 7.5, "3.1"), score("CNA", 7.5, "4.0"), score("CNA", 5.0, "4.0")])]);
    let best = rated.rating().and_then(|rating| rating.score.clone()).expect("a score");
    assert_eq!((rated.ratings.len(), best.base, best.version.as_str()), (1, 7.5, "4.0"));
}

#[test]
fn fix_workaround_and_what_is_asked_are_told_apart_with_who_says_them() {
    let kev = KevFacts { action: "Apply updates per vendor instructions.".into(), ..KevFacts::default() };
    let listed = draft("KEV", Item { kev: Some(kev), action: Some("Apply updates.".into()), ..Item::default() });
    let only = of(std::slice::from_ref(&listed));
    assert_eq!((only.fix, only.asked.map(|asked| asked.by.name)), (None, Some("KEV".to_owned())));
    let cert = draft("CERT", Item { action: Some("Block port 8041.".into()), ..Item::default() });
    let acme = vendor(Item {
        action: Some("Upgrade to 2.1.".into()),
        patch: Some("https://acme.example/2.1".into()),
        ..Item::default()
    });
    let facts = of(&[listed, cert, acme]);
    assert_eq!(facts.fix.map(|fix| (fix.text, fix.by.name)), Some(("Upgrade to 2.1.".into(), "Acme".into())));
    assert_eq!(facts.workaround.map(|around| around.by.name), Some("CERT".into()));
    assert_eq!(facts.patch.map(|patch| patch.text), Some("https://acme.example/2.1".into()));
}

#[test]
fn versions_are_told_by_whoever_is_trusted_most() {
    let product = |versions: &str, status| Product {
        vendor: "Acme".into(),
        product: "Relay".into(),
        versions: versions.into(),
        status,
        ..Product::default()
    };
    let nvd = draft("NVD", Item { products: vec![product("before 9", ProductStatus::Affected)], ..Item::default() });
    let acme = vendor(Item {
        products: vec![
            product("before 2.1", ProductStatus::Affected),
            product("1.0", ProductStatus::Affected),
            product("2.1", ProductStatus::Fixed),
            product("3.0", ProductStatus::NotAffected),
        ],
        ..Item::default()
    });
    let versions = of(&[nvd, acme]).versions;
    assert_eq!(versions.len(), 1);
    let only = &versions[0];
    assert_eq!(
        (only.product.as_str(), only.affected.as_str(), only.fixed.as_str()),
        ("Acme Relay", "before 2.1, 1.0", "2.1")
    );
    assert_eq!((only.authority, only.by.name.as_str()), (Authority::Vendor, "Acme"));
}

#[test]
fn whoever_says_that_it_is_exploited_is_named_once() {
    let says = |source: &str| Draft { exploited: true, ..draft(source, Item::default()) };
    let facts = of(&[says("CISA"), draft("CERT", Item::default()), says("CISA"), says("NCSC")]);
    assert_eq!(facts.exploited_by.iter().map(|by| by.name.as_str()).collect::<Vec<_>>(), ["CISA", "NCSC"]);
}
