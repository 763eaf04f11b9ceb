//! Dates that stand within other text, found by the pattern of the source.

use regex::Regex;

use crate::formats::dates;
use crate::model::clock::Timestamp;

/// The date that `pattern` finds in `text`: of its groups `year`, `month` and `day` (the 1st where there is no day), else
/// what its first group holds, else all that it matches.
pub fn find(pattern: &Regex, text: &str) -> Option<Timestamp> {
    let found = pattern.captures(text)?;
    let group = |name: &str| found.name(name).map(|group| group.as_str().trim());
    if let (Some(year), Some(month)) = (group("year"), group("month")) {
        let year = if year.len() == 2 { format!("20{year}") } else { year.to_owned() };
        let day = group("day").unwrap_or("1");
        return dates::parse(&match month.bytes().all(|byte| byte.is_ascii_digit()) {
            true => format!("{year}-{month:0>2}-{day:0>2}"),
            false => format!("{day} {month} {year}"),
        });
    }
    dates::parse(found.get(1).or_else(|| found.get(0))?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_found_by_named_groups_a_group_or_the_whole() {
        let table = [
            (
                r"(?<month>\d\d)-(?<day>\d\d)-(?<year>\d{4})$",
                "/advisory-for-routers-03-04-2099",
                Some("2099-03-04T00:00:00Z"),
            ),
            (r"-(?<year>\d{4})-(?<month>\d\d)$", "/security-update-2099-07", Some("2099-07-01T00:00:00Z")),
            (r"(?<month>[A-Z][a-z]+) (?<year>\d{4})", "Bulletin of March 2099", Some("2099-03-01T00:00:00Z")),
            (
                r"Published:? (\S+ \d+, \d{4})",
                "High | Published January 6, 2099 | 3 CVEs",
                Some("2099-01-06T00:00:00Z"),
            ),
            (r"\d{4}-\d\d-\d\d", "on 2099-02-03 at noon", Some("2099-02-03T00:00:00Z")),
            (r"(?<month>\d\d)-(?<day>\d\d)-(?<year>\d{4})$", "/a-13-45-2099", None),
            (r"Published (.+)", "Updated today", None),
        ];
        for (pattern, text, expected) in table {
            let found = find(&Regex::new(pattern).expect("a pattern"), text).map(|at| at.to_string());
            assert_eq!(found.as_deref(), expected, "{pattern} in {text}");
        }
    }
}
