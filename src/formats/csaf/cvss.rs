//! CVSS ratings of a document: the vector is what was meant, so its number wins over the one beside it (CSAF 2.1
//! section 9.1.11).

use serde_json::Value;

use super::notes::Notes;
use super::text_at;
use crate::formats::{ParseError, contained};
use crate::model::item::Score;
use crate::model::text;

/// Longest vector kept, in characters; that of CVSS 4.0 with every metric has about 300.
const VECTOR_MAX: usize = 400;
/// Longest name of who rated, in characters.
const BY_MAX: usize = 100;
/// Two scores of one decimal are the same.
pub const SAME: f64 = 0.05;

/// The metrics of the base group, in the order of the standards: CVSS 2.0, 3.x and 4.0.
const BASE_2: &[&str] = &["AV", "AC", "Au", "C", "I", "A"];
const BASE_3: &[&str] = &["AV", "AC", "PR", "UI", "S", "C", "I", "A"];
const BASE_4: &[&str] = &["AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA"];

/// One rating (`cvss_v2`, `cvss_v3` or `cvss_v4`) by `by`; absent where it states neither vector nor number.
pub fn rating(rating: &Value, by: &str, notes: &mut Notes) -> Option<Score> {
    let vector = text_at(rating, "/vectorString");
    let stated = rating.get("baseScore").and_then(Value::as_f64).filter(|base| (0.0..=10.0).contains(base));
    let computed = match base_score(vector) {
        Ok(base) => Some(base),
        Err(_) if vector.is_empty() => None,
        Err(reason) => {
            let shown = text::truncate(vector, 60);
            notes.add(format!("the CVSS vector {shown} cannot be read ({reason}); its stated number was kept"));
            None
        }
    };
    if let (Some(stated), Some(computed)) = (stated, computed)
        && (stated - computed).abs() > SAME
    {
        notes.add(format!(
            "the CVSS vector {vector} gives {computed:.1}, the document states {stated:.1}; the vector was believed"
        ));
    }
    let base = computed.or(stated)?;
    let version = match vector.strip_prefix("CVSS:").and_then(|rest| rest.split('/').next()) {
        Some(version) => version.to_owned(),
        None => text::truncate(text_at(rating, "/version"), 8),
    };
    let by = text::truncate(&text::one_line(by), BY_MAX);
    Some(Score { version, vector: text::truncate(&text::one_line(vector), VECTOR_MAX), base, by })
}

/// The base score of a vector; every metric in it must be sound, those of the other groups do not count.
pub fn base_score(vector: &str) -> Result<f64, String> {
    let whole = vector.trim_start_matches('(').trim_end_matches(')');
    let score = whole_score(whole)?;
    let group = match whole.split('/').next().unwrap_or_default() {
        "CVSS:4.0" => BASE_4,
        first if first.starts_with("CVSS:3.") => BASE_3,
        _ => BASE_2,
    };
    let named = |part: &str| part.split_once(':').is_some_and(|(name, _)| name == "CVSS" || group.contains(&name));
    let base: Vec<&str> = whole.split('/').filter(|part| named(part)).collect();
    // The crate takes a vector that lacks base metrics for one of 0.0.
    let stated = base.iter().filter(|part| !part.starts_with("CVSS:")).count();
    if stated != group.len() {
        return Err(format!("it has {stated} of {} base metrics", group.len()));
    }
    // All that is in it belongs to the base group.
    if base.len() == whole.split('/').count() {
        return Ok(score);
    }
    whole_score(&base.join("/"))
}

/// The score of a vector with all that is in it, as far as its version counts it.
pub fn whole_score(vector: &str) -> Result<f64, String> {
    if vector.is_empty() || vector.len() > VECTOR_MAX {
        return Err("it is empty or too long".to_owned());
    }
    let read = contained("CVSS", || {
        let read = vector.parse::<cvss::Cvss>().map(|vector| vector.score());
        read.map_err(|fault| ParseError::unreadable(fault.to_string()))
    });
    read.map_err(|fault| match fault {
        ParseError::Unreadable { reason } => reason,
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn examples_of_the_standards_give_their_base_scores() {
        let table = [
            ("AV:N/AC:L/Au:N/C:N/I:N/A:C", 7.8),
            ("AV:N/AC:L/Au:N/C:C/I:C/A:C/E:F/RL:OF/RC:C", 10.0),
            ("(AV:L/AC:H/Au:N/C:C/I:C/A:C)", 6.2),
            ("CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:N/A:N/E:P/RL:O/RC:C", 6.5),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 9.3),
            ("CVSS:4.0/AV:N/AC:H/AT:N/PR:N/UI:N/VC:N/VI:N/VA:H/SC:N/SI:N/SA:N/E:U/AU:N/R:U/V:C/RE:M/U:Amber", 8.2),
        ];
        for (vector, expected) in table {
            let base = base_score(vector).unwrap_or_else(|fault| panic!("{vector}: {fault}"));
            assert!((base - expected).abs() < SAME, "{vector}: {base}, not {expected}");
        }
    }

    #[test]
    fn the_number_of_the_vector_wins_and_the_difference_is_said() {
        let mut notes = Notes::default();
        let vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
        let score = rating(&json!({"vectorString": vector, "baseScore": 5.0}), "", &mut notes).expect("a score");
        assert_eq!((score.version.as_str(), score.base), ("3.1", 9.8));
        assert!(notes.finish()[0].contains("gives 9.8, the document states 5.0"));
    }

    #[test]
    fn a_vector_that_cannot_be_read_is_kept_as_text_with_the_stated_number() {
        for vector in
            ["CVSS:3.1/AV:N", "CVSS:3.1/AV:N/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "CVSS:9.9/AV:N/AC:L", "nonsense"]
        {
            let mut notes = Notes::default();
            let score = rating(&json!({"vectorString": vector, "baseScore": 5.0}), "", &mut notes).expect("a score");
            assert_eq!((score.vector.as_str(), score.base), (vector, 5.0));
            assert_eq!(notes.finish().len(), 1, "{vector}");
        }
        assert_eq!(rating(&json!({"vectorString": "x"}), "", &mut Notes::default()), None);
        assert_eq!(rating(&json!({"baseScore": 99.0}), "", &mut Notes::default()), None);
    }
}
