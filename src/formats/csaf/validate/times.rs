//! Tests of dates, which CSAF 2.1 adds.

use serde_json::Value;

use super::Fault;
use super::facts::{Facts, list, text};
use super::words::{is_date, is_strict_date, moment};

/// Dates in `document/tracking`, in a vulnerability, and in the items of its lists.
const TRACKING: &[&str] = &["current_release_date", "initial_release_date"];
const VULNERABILITY: &[&str] = &["disclosure_date", "discovery_date"];
const LISTS: &[(&str, &[&str])] = &[
    ("first_known_exploitation_dates", &["date", "exploitation_date"]),
    ("flags", &["date"]),
    ("involvements", &["date"]),
    ("remediations", &["date"]),
    ("threats", &["date"]),
];

/// 6.1.37: dates are written in the one way that 2.1 allows. What is no date at all the schema has named.
pub fn notation(facts: &Facts<'_>) -> Option<Fault> {
    let loose = |holder: &Value, names: &[&'static str]| {
        let mut names = names.iter().copied();
        let name = names.find(|name| is_date(text(holder, name)) && !is_strict_date(text(holder, name)))?;
        Some(Fault::here(format!("'{}' is not in the notation of 2.1", text(holder, name))).below(name))
    };
    let tracking = facts.tracking();
    let mut history = list(tracking, "revision_history").iter().enumerate();
    let of_tracking = loose(tracking, TRACKING)
        .or_else(|| history.find_map(|(at, entry)| Some(loose(entry, &["date"])?.below(at).below("revision_history"))))
        .or_else(|| Some(loose(tracking.get("generator")?, &["date"])?.below("generator")));
    of_tracking.map(|fault| fault.below("tracking").below("document")).or_else(|| {
        facts.in_vulnerabilities(|vulnerability| {
            let in_lists = || {
                LISTS.iter().find_map(|(name, dates)| {
                    let mut items = list(vulnerability, name).iter().enumerate();
                    items.find_map(|(at, item)| Some(loose(item, dates)?.below(at).below(name)))
                })
            };
            loose(vulnerability, VULNERABILITY).or_else(in_lists)
        })
    })
}

/// The date of the newest revision of what is released: a released document knows nothing of later.
fn newest(facts: &Facts<'_>) -> Option<(i64, u32)> {
    facts.revisions.last().filter(|_| facts.is_released()).map(|last| last.date)
}

fn is_later(holder: &Value, name: &str, than: (i64, u32)) -> bool {
    moment(text(holder, name)).is_some_and(|date| date > than)
}

/// 6.1.45: what is CLEAR and released is disclosed.
pub fn disclosure(facts: &Facts<'_>) -> Option<Fault> {
    let newest = newest(facts)?;
    let label = facts.document.pointer("/document/distribution/tlp/label").and_then(Value::as_str);
    facts.in_vulnerabilities(|vulnerability| {
        (label == Some("CLEAR") && is_later(vulnerability, "disclosure_date", newest))
            .then(|| Fault::here("disclosed after the newest revision").below("disclosure_date"))
    })
}

/// 6.1.51: EPSS is from before the newest revision.
pub fn epss(facts: &Facts<'_>) -> Option<Fault> {
    let newest = newest(facts)?;
    let later =
        |metric: &Value| metric.pointer("/content/epss").is_some_and(|epss| is_later(epss, "timestamp", newest));
    let (spot, _) = facts.each("metrics").find(|(_, metric)| later(metric))?;
    Some(spot.fault("EPSS from after the newest revision"))
}

/// 6.1.52: exploitation became known before the newest revision.
pub fn exploitation(facts: &Facts<'_>) -> Option<Fault> {
    let newest = newest(facts)?;
    let later = |item: &Value| ["date", "exploitation_date"].into_iter().any(|name| is_later(item, name, newest));
    let (spot, _) = facts.each("first_known_exploitation_dates").find(|(_, item)| later(item))?;
    Some(spot.fault("a date after the newest revision"))
}

/// 6.1.53: exploitation came before it was known.
pub fn exploitation_order(facts: &Facts<'_>) -> Option<Fault> {
    let later = |item: &Value| moment(text(item, "date")).is_some_and(|date| is_later(item, "exploitation_date", date));
    let (spot, _) = facts.each("first_known_exploitation_dates").find(|(_, item)| later(item))?;
    Some(spot.fault("known before it was exploited"))
}

/// 6.1.62: discovery came before the newest revision, and before disclosure.
pub fn discovery(facts: &Facts<'_>) -> Option<Fault> {
    facts.in_vulnerabilities(|vulnerability| {
        let bounds = [newest(facts), moment(text(vulnerability, "disclosure_date"))];
        let late = bounds.into_iter().flatten().any(|bound| is_later(vulnerability, "discovery_date", bound));
        late.then(|| Fault::here("discovered after it was told").below("discovery_date"))
    })
}
