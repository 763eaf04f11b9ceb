//! Tests of CVSS and of other ratings. Vectors are read by the `cvss` crate, as for the item itself.

use std::collections::HashSet;

use serde_json::Value;

use super::super::cvss::{SAME, base_score, whole_score};
use super::Fault;
use super::facts::{Facts, Spot, list, text};

/// The ratings by CVSS, with their kinds.
const KINDS: &[&str] = &["cvss_v2", "cvss_v3", "cvss_v4"];

/// What holds the ratings of an item: itself in 2.0, its `content` in 2.1.
fn content(item: &Value) -> &Value {
    item.get("content").unwrap_or(item)
}

fn items<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (Spot, &'a Value)> {
    facts.each("scores").chain(facts.each("metrics"))
}

/// The first rating by CVSS that a function finds a fault with.
fn in_ratings<'a>(facts: &Facts<'a>, fault: impl Fn(&'static str, &'a Value) -> Option<String>) -> Option<Fault> {
    items(facts).find_map(|(spot, item)| {
        let mut ratings = KINDS.iter().filter_map(|kind| Some((*kind, content(item).get(*kind)?)));
        ratings.find_map(|(kind, rating)| fault(kind, rating)).map(|why| spot.fault(why))
    })
}

/// 6.1.7: a product has one rating by each version of CVSS, from each source.
pub fn once(facts: &Facts<'_>) -> Option<Fault> {
    facts.in_vulnerabilities(|vulnerability| {
        let lists = ["scores", "metrics"].map(|name| (name, list(vulnerability, name)));
        // One rating cannot be there twice.
        if lists.iter().map(|(_, list)| list.len()).sum::<usize>() < 2 {
            return None;
        }
        let mut seen = HashSet::new();
        let items =
            lists.iter().flat_map(|(name, list)| list.iter().enumerate().map(move |(at, item)| (name, at, item)));
        items.into_iter().find_map(|(name, at, item)| {
            let source = text(item, "source");
            let kinds = KINDS.iter().filter_map(|kind| Some((*kind, text(content(item).get(*kind)?, "version"))));
            let kinds: Vec<_> = kinds.collect();
            let mut products = facts.products(item, "products");
            let again = products.any(|product| kinds.iter().any(|kind| !seen.insert((product, *kind, source))));
            again.then(|| Fault::here("a product that has another rating of the same kind").below(at).below(name))
        })
    })
}

/// 6.1.56: a product has no rating by CVSS and in words from one source.
pub fn one_kind(facts: &Facts<'_>) -> Option<Fault> {
    facts.in_vulnerabilities(|vulnerability| {
        let (mut numbers, mut words) = (HashSet::new(), HashSet::new());
        for item in list(vulnerability, "metrics") {
            let source = text(item, "source");
            if content(item).get("qualitative_severity_rating").is_some() {
                words.extend(facts.products(item, "products").map(|product| (product, source)));
            }
            if KINDS.iter().any(|kind| content(item).get(*kind).is_some()) {
                numbers.extend(facts.products(item, "products").map(|product| (product, source)));
            }
        }
        let both = !words.is_disjoint(&numbers);
        both.then(|| Fault::here("a product rated by CVSS and in words").below("metrics"))
    })
}

/// 6.1.8: a rating has what the schema of CVSS wants, and a vector that can be read.
pub fn sound(facts: &Facts<'_>) -> Option<Fault> {
    in_ratings(facts, |kind, rating| {
        let needed = ["version", "vectorString", "baseScore", "baseSeverity"];
        let needed = &needed[..if kind == "cvss_v2" { 3 } else { 4 }];
        if let Some(name) = needed.iter().find(|name| rating.get(**name).is_none()) {
            return Some(format!("{kind} without '{name}'"));
        }
        let (version, vector) = (text(rating, "version"), text(rating, "vectorString"));
        let versions: &[&str] = match kind {
            "cvss_v2" => &["2.0"],
            "cvss_v3" => &["3.0", "3.1"],
            _ => &["4.0"],
        };
        let prefix = if kind == "cvss_v2" { String::new() } else { format!("CVSS:{version}/") };
        if !versions.contains(&version) || !vector.starts_with(&prefix) {
            return Some(format!("{kind} of version '{version}' with the vector {vector}"));
        }
        if let Err(reason) = base_score(vector) {
            return Some(format!("the vector {vector} cannot be read: {reason}"));
        }
        let numbers = ["baseScore", "temporalScore", "environmentalScore"].into_iter();
        let mut numbers = numbers.filter_map(|name| Some((name, rating.get(name)?)));
        numbers
            .find(|(_, number)| !number.as_f64().is_some_and(|number| (0.0..=10.0).contains(&number)))
            .map(|(name, _)| format!("'{name}' is not a number from 0 to 10"))
    })
}

/// 6.1.9: scores are those of their vectors, and severities those of their scores. Temporal and environmental scores are
/// held against their severities alone.
pub fn computed(facts: &Facts<'_>) -> Option<Fault> {
    in_ratings(facts, |kind, rating| {
        let vector = text(rating, "vectorString");
        let number = |name: &str| rating.get(name).and_then(Value::as_f64);
        if let (Some(stated), Ok(base)) = (number("baseScore"), base_score(vector)) {
            // CVSS 4.0 has one score, to which metrics of threat and environment count where they are given.
            let whole = || kind == "cvss_v4" && whole_score(vector).is_ok_and(|whole| (whole - stated).abs() < SAME);
            if (stated - base).abs() > SAME && !whole() {
                return Some(format!("the vector gives {base:.1}, not {stated:.1}"));
            }
        }
        let mut pairs = [
            ("baseScore", "baseSeverity"),
            ("temporalScore", "temporalSeverity"),
            ("environmentalScore", "environmentalSeverity"),
        ]
        .into_iter()
        .filter(|_| kind != "cvss_v2")
        .filter_map(|(score, severity)| Some((number(score)?, text(rating, severity))));
        let (score, word) = pairs.find(|(score, word)| !word.is_empty() && *word != severity(*score))?;
        Some(format!("{score:.1} is {}, not {word}", severity(score)))
    })
}

fn severity(score: f64) -> &'static str {
    match score {
        score if score >= 9.0 => "CRITICAL",
        score if score >= 7.0 => "HIGH",
        score if score >= 4.0 => "MEDIUM",
        score if score > 0.0 => "LOW",
        _ => "NONE",
    }
}

/// Metrics of vectors and the properties that say the same in words; a word begins with the letter of the metric.
const METRICS: &[(&str, &str)] = &[
    ("AV", "attackVector"),
    ("AV", "accessVector"),
    ("AC", "attackComplexity"),
    ("AC", "accessComplexity"),
    ("AT", "attackRequirements"),
    ("Au", "authentication"),
    ("PR", "privilegesRequired"),
    ("UI", "userInteraction"),
    ("S", "scope"),
    ("C", "confidentialityImpact"),
    ("I", "integrityImpact"),
    ("A", "availabilityImpact"),
    ("VC", "vulnConfidentialityImpact"),
    ("VI", "vulnIntegrityImpact"),
    ("VA", "vulnAvailabilityImpact"),
    ("SC", "subConfidentialityImpact"),
    ("SI", "subIntegrityImpact"),
    ("SA", "subAvailabilityImpact"),
];

/// 6.1.10: what is said in words of the base metrics is what the vector says.
pub fn consistent(facts: &Facts<'_>) -> Option<Fault> {
    in_ratings(facts, |_, rating| {
        // Most ratings say nothing in words.
        if rating.as_object().is_none_or(|rating| rating.len() <= 4) {
            return None;
        }
        text(rating, "vectorString").split('/').filter_map(|part| part.split_once(':')).find_map(|(metric, value)| {
            let mut named = METRICS.iter().filter(|(of, _)| *of == metric);
            let (property, word) = named.find_map(|(_, name)| Some((name, rating.get(*name)?.as_str()?)))?;
            let same = word.as_bytes().first() == value.as_bytes().first();
            (!same).then(|| format!("'{property}' is {word}, and the vector has {metric}:{value}"))
        })
    })
}
