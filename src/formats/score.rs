//! CVSS ratings: a vector and the number that is stated with it, recomputed and compared.
//!
//! Versions 2.0, 3.0, 3.1 and 4.0. Where vector and number disagree, the vector's score counts and the difference is
//! told (CSAF 2.1 section 9.1.11). A vector that breaks the standard is kept as text, with the number that was stated.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cvss::Cvss;

use crate::model::item::Score;
use crate::model::severity::Severity;

/// Longest vector that is read, in bytes: one with every metric of 4.0 has about 200.
const VECTOR_MAX: usize = 400;
/// Most ratings kept of one item.
const SCORES_MAX: usize = 20;

/// The metrics that a vector must have, by version.
const BASE_2: &[&str] = &["AV", "AC", "Au", "C", "I", "A"];
const BASE_3: &[&str] = &["AV", "AC", "PR", "UI", "S", "C", "I", "A"];
/// The metrics of 4.0 in the order that section 7 of its specification demands.
const ORDER_4: &[&str] = &[
    "AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA", "E", "CR", "IR", "AR", "MAV", "MAC", "MAT",
    "MPR", "MUI", "MVC", "MVI", "MVA", "MSC", "MSI", "MSA", "S", "AU", "R", "V", "RE", "U",
];
/// How many of them it must have: the base metrics come first.
const BASE_4: usize = 11;
/// Where its threat and environmental metrics stand in that order: with one of them, the score is not the base score.
const BEYOND_BASE_4: std::ops::Range<usize> = 11..26;

/// A rating by `by`: of a vector, of a stated base score, or of both; and a sentence where they do not agree or the
/// vector breaks its standard. Absent where neither says anything.
#[must_use]
pub fn rate(vector: &str, stated: Option<f64>, by: &str) -> Option<(Score, Option<String>)> {
    let stated = stated.filter(|score| (0.0..=10.0).contains(score));
    let vector = vector.trim().trim_start_matches('(').trim_end_matches(')').trim_end_matches('/');
    let score = |version: &str, base: f64| Score {
        version: version.to_owned(),
        vector: vector.to_owned(),
        base: (base * 10.0).round() / 10.0,
        by: by.to_owned(),
    };
    if vector.is_empty() {
        return stated.map(|base| (score("", base), None));
    }
    let version = version_of(vector);
    match read(vector) {
        Ok(None) => stated.map(|base| (score(version, base), None)),
        Ok(Some(computed)) => {
            // The rounding of 3.0 depends on how floating-point errors fall (3.1 mended that): a tenth is no mismatch.
            let tolerance = if version == "3.0" { 0.11 } else { 0.05 };
            let differs = stated.filter(|stated| (stated - computed).abs() > tolerance);
            let told = differs.map(|stated| {
                format!("{} states the CVSS score {stated:.1}; its vector gives {computed:.1}.", shown(by))
            });
            Some((score(version, computed), told))
        }
        Err(fault) => {
            let told = format!("{} states a CVSS vector that cannot be read: {fault}.", shown(by));
            let kept = &vector[..vector.floor_char_boundary(VECTOR_MAX)];
            stated.map(|base| (Score { vector: kept.to_owned(), ..score(version, base) }, Some(told)))
        }
    }
}

/// The rating of whoever stands first in `order` and states one; the highest of several by the same.
#[must_use]
pub fn ladder(scores: &[Score], order: &[&str]) -> Option<Severity> {
    let by = |who: &&str| {
        let own = scores.iter().filter(|score| score.by == *who);
        own.map(|score| Severity::from_cvss(score.base)).max()
    };
    order.iter().find_map(by).or_else(|| scores.iter().map(|score| Severity::from_cvss(score.base)).max())
}

/// Adds what [`rate`] gives to `scores`, each rating once, and its sentence to `notes`.
pub fn add(scores: &mut Vec<Score>, notes: &mut Vec<String>, rated: Option<(Score, Option<String>)>) {
    let Some((score, note)) = rated else { return };
    if scores.len() < SCORES_MAX && !scores.contains(&score) {
        scores.push(score);
        notes.extend(note.filter(|note| !notes.contains(note)));
    }
}

fn shown(by: &str) -> &str {
    if by.is_empty() { "The publisher" } else { by }
}

fn version_of(vector: &str) -> &'static str {
    match vector.get(..9) {
        Some("CVSS:3.0/") => "3.0",
        Some("CVSS:3.1/") => "3.1",
        Some("CVSS:4.0/") => "4.0",
        _ if vector.starts_with("CVSS:") => "",
        _ => "2.0",
    }
}

/// The base score of a vector; absent where its score is another one (4.0 with threat or environmental metrics).
fn read(vector: &str) -> Result<Option<f64>, String> {
    if vector.len() > VECTOR_MAX {
        return Err(format!("it is longer than {VECTOR_MAX} characters"));
    }
    let base_only = match version_of(vector) {
        "4.0" => complete(vector, &ORDER_4[..BASE_4]).and_then(|()| in_order(vector))?,
        "2.0" => complete(vector, BASE_2).map(|()| true)?,
        _ => complete(vector, BASE_3).map(|()| true)?,
    };
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        let cvss: Cvss = vector.parse().map_err(|fault: cvss::Error| fault.to_string())?;
        Ok::<f64, String>(cvss.score())
    }));
    let score = parsed.unwrap_or_else(|_| Err("its metrics cannot be computed".to_owned()))?;
    if !(0.0..=10.0).contains(&score) {
        return Err("its metrics give no score".to_owned());
    }
    Ok(base_only.then_some(score))
}

/// Whether a vector has every base metric: the library computes a score without some of them too.
fn complete(vector: &str, base: &[&str]) -> Result<(), String> {
    let has = |name: &&&str| vector.split('/').any(|metric| metric.split(':').next() == Some(**name));
    match base.iter().find(|name| !has(name)) {
        None => Ok(()),
        Some(missing) => Err(format!("the metric {missing} is missing")),
    }
}

/// Whether a vector of 4.0 has base (and supplemental) metrics alone.
fn in_order(vector: &str) -> Result<bool, String> {
    let (mut last, mut base_only) = (None, true);
    for metric in vector.split('/').skip(1) {
        let (name, value) = metric.split_once(':').unwrap_or((metric, ""));
        let place = ORDER_4.iter().position(|known| *known == name);
        let place = place.ok_or_else(|| format!("{:.12} is no metric of CVSS 4.0", name))?;
        if last.is_some_and(|last| last >= place) {
            return Err(format!("the metric {name} is repeated or out of order"));
        }
        last = Some(place);
        base_only &= !BEYOND_BASE_4.contains(&place) || value == "X";
    }
    Ok(base_only)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors with the base scores that FIRST's own examples and calculators give.
    const KNOWN: &[(&str, f64)] = &[
        ("AV:N/AC:L/Au:N/C:N/I:N/A:C", 7.8),
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C", 10.0),
        ("AV:L/AC:H/Au:N/C:C/I:C/A:C", 6.2),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5),
        ("CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        ("CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.3),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 10.0),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", 0.0),
    ];

    #[test]
    fn known_vectors_give_their_scores() {
        for (vector, expected) in KNOWN {
            let (score, note) = rate(vector, Some(*expected), "CNA").expect("a rating");
            assert_eq!((score.base, note), (*expected, None), "{vector}");
            assert_eq!(score.vector, *vector);
        }
    }

    #[test]
    fn a_number_that_the_vector_denies_is_told_and_the_vector_counts() {
        let (score, note) = rate("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some(5.0), "CNA").expect("a rating");
        assert_eq!((score.base, score.version.as_str()), (9.8, "3.1"));
        assert_eq!(note.as_deref(), Some("CNA states the CVSS score 5.0; its vector gives 9.8."));
    }

    #[test]
    fn a_vector_that_breaks_its_standard_is_kept_as_text() {
        for broken in [
            "CVSS:3.1/AV:N/AV:L/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H",
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/ZZ:1",
            "CVSS:4.0/AC:L/AV:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
            "CVSS:9.9/AV:N",
            "hello",
            "AV:N",
        ] {
            let (score, note) = rate(broken, Some(7.5), "").expect("the number stands");
            assert_eq!((score.base, score.vector.as_str()), (7.5, broken), "{broken}");
            assert!(note.is_some_and(|note| note.contains("cannot be read")), "{broken}");
            assert_eq!(rate(broken, None, ""), None, "{broken}: nothing says how bad it is");
        }
        assert_eq!(rate("", None, ""), None);
        assert_eq!(rate("", Some(11.0), ""), None);
        let long = rate(&"x".repeat(9_999), Some(1.0), "").expect("the number stands");
        assert!(long.0.vector.len() <= VECTOR_MAX);
    }

    #[test]
    fn a_threat_metric_of_4_0_is_not_compared_with_a_base_score() {
        let vector = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:U";
        let (score, note) = rate(vector, Some(9.3), "CNA").expect("a rating");
        assert_eq!((score.base, note), (9.3, None));
    }

    #[test]
    fn the_first_of_the_ladder_who_rates_decides() {
        let score = |by: &str, base| Score { by: by.into(), base, ..Score::default() };
        let scores = [score("NVD", 9.8), score("ADP", 5.0), score("CNA", 7.0), score("CNA", 7.5)];
        assert_eq!(ladder(&scores, &["CNA", "ADP", "NVD"]), Some(Severity::High));
        assert_eq!(ladder(&scores[..2], &["CNA", "ADP", "NVD"]), Some(Severity::Medium));
        assert_eq!(ladder(&scores[..1], &["CNA"]), Some(Severity::Critical), "better than nothing");
        assert_eq!(ladder(&[], &["CNA"]), None);
    }
}
