//! Whether it is exploited, and how bad it is.

use super::{Line, day, listed};
use crate::model::advisory::Content;
use crate::model::facts::{Authority, Epss, Origin, Rating};
use crate::model::severity::Severity;

/// Who publishes EPSS.
const EPSS_NAME: &str = "FIRST EPSS";
const EPSS_PAGE: &str = "https://www.first.org/epss/";
/// A score that has moved by less than this is steady.
const STEADY: f64 = 0.01;

/// Whether attackers use it, and who says so.
#[must_use]
pub fn exploited(content: &Content) -> Vec<Line> {
    let known = &content.exploitation;
    let mut lines = Vec::new();
    let mut others: Vec<&Origin> = content.facts.exploited_by.iter().collect();
    if let Some(kev) = &known.kev {
        let since = if kev.added.is_empty() { String::new() } else { format!(" since {}", day(&kev.added)) };
        let by = others.iter().position(|by| by.name.contains("KEV")).map(|at| others.remove(at).clone());
        lines.push(Line { text: format!("Yes. In CISA's catalog of known exploited vulnerabilities{since}."), by });
    }
    if let [first, rest @ ..] = others.as_slice() {
        let rest: Vec<String> = rest.iter().map(|by| by.name.clone()).collect();
        let also = if rest.is_empty() { String::new() } else { format!(" {} says so too.", listed(&rest, 3)) };
        let text = match lines.is_empty() {
            true => format!("Yes, according to {}.{also}", first.name),
            false => {
                format!("{} says so too.", listed(&others.iter().map(|by| by.name.clone()).collect::<Vec<_>>(), 3))
            }
        };
        lines.push(Line { text, by: Some((*first).clone()) });
    } else if lines.is_empty() && known.exploited {
        lines.push(Line::own("Yes."));
    }
    if lines.is_empty() {
        lines.push(Line::own("No source says so yet."));
    }
    if known.ransomware {
        lines.push(Line::own("Known to be used in ransomware campaigns."));
    }
    if let Some(assessed) = &content.facts.ssvc {
        let points: Vec<String> =
            assessed.ssvc.points.iter().map(|(name, value)| format!("{}: {value}", name.to_lowercase())).collect();
        let by = Origin { name: format!("{} (SSVC)", assessed.ssvc.by), url: assessed.by.url.clone() };
        lines.push(Line { text: format!("Assessed as {}.", points.join("; ")), by: Some(by) });
    }
    lines
}

/// The rating that counts, others that differ from it, and how likely exploitation is.
#[must_use]
pub fn how_bad(content: &Content) -> Vec<Line> {
    let mut lines = vec![rated(content)];
    let counts = content.severity;
    let differ = content.facts.ratings.iter().skip(1).filter(|rating| rating.severity != counts);
    lines.extend(differ.take(3).map(|rating| Line {
        text: format!("Rated {} by others{}.", rating.severity, number(rating)),
        by: Some(rating.by.clone()),
    }));
    lines.extend(content.facts.epss.as_ref().map(likely));
    lines
}

fn rated(content: &Content) -> Line {
    let words = match content.severity {
        Severity::Unknown => "No rating yet. That does not mean low",
        Severity::Low => "Low, the lowest of four ratings",
        Severity::Medium => "Medium, the third of four ratings",
        Severity::High => "High, the second of four ratings",
        Severity::Critical => "Critical, the highest of four ratings",
    };
    match content.facts.rating() {
        Some(rating) if rating.authority == Authority::Kev => Line {
            text: "Nobody has rated it. It counts as high here, because attackers use it.".to_owned(),
            by: Some(rating.by.clone()),
        },
        Some(rating) => Line { text: format!("{words}{}.", number(rating)), by: Some(rating.by.clone()) },
        None => Line::own(&format!("{words}.")),
    }
}

fn number(rating: &Rating) -> String {
    match &rating.score {
        Some(score) if score.version.is_empty() => format!(" (CVSS {:.1})", score.base),
        Some(score) => format!(" (CVSS {} score {:.1})", score.version, score.base),
        None => String::new(),
    }
}

fn likely(epss: &Epss) -> Line {
    let percent = |share: f64| match share * 100.0 {
        small if small < 1.0 => "less than 1 %".to_owned(),
        more if more > 99.0 => "more than 99 %".to_owned(),
        more => format!("{more:.0} %"),
    };
    let trend = match epss.previous {
        Some(before) if epss.score - before >= STEADY => format!(", up from {}", percent(before)),
        Some(before) if before - epss.score >= STEADY => format!(", down from {}", percent(before)),
        _ => String::new(),
    };
    Line {
        text: format!(
            "Exploitation within 30 days: {} likely{trend}; {} of all CVEs score no higher ({}, as of {}).",
            percent(epss.score),
            percent(epss.percentile),
            epss.cve,
            day(&epss.day)
        ),
        by: Some(Origin { name: EPSS_NAME.to_owned(), url: EPSS_PAGE.to_owned() }),
    }
}
