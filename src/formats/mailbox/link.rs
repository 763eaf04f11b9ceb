//! The page that a message speaks of, if that is plain.
//!
//! A link names an item for good, so a wrong one is worse than none: two messages with the same link are one item.
//! Only a link that names something particular is taken, and none that leads to the sender's own machinery.

use std::sync::LazyLock;

use regex::Regex;
use scraper::Selector;
use url::Url;

use crate::formats::html;

/// Links that are looked at.
const LINKS_MAX: usize = 200;
/// Longest link that is taken, in bytes: longer ones carry tracking data.
const LINK_MAX: usize = 300;

static IN_TEXT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?i)\bhttps?://[^\s<>"'\[\]{}|\\^`]{4,4000}"#).expect("the pattern is a constant"));

/// Words in an address that lead to a mailing's machinery, or to no advisory.
const MACHINERY: &[&str] = &[
    "unsubscribe",
    "subscri",
    "optout",
    "opt-out",
    "opt_out",
    "preference",
    "click",
    "track",
    "pixel",
    "beacon",
    "list-manage",
    "mailchi",
    "sendgrid",
    "safelinks",
    "urldefense",
    "/open",
    "webview",
    "view-online",
    "viewonline",
    "view_online",
    "browser",
    "privacy",
    "terms",
    "legal",
    "survey",
    "feedback",
    "facebook.",
    "twitter.",
    "linkedin.",
    "youtube.",
    "instagram.",
    "login",
    "signin",
    "signup",
    "register",
    "webinar",
    "/event",
];
/// Names of hosts that count clicks.
const COUNTERS: &[&str] = &["click", "clicks", "email", "go", "info", "link", "links", "t", "trk", "url", "e", "em"];
/// Endings of files that are no pages.
const FILES: &[&str] = &[".png", ".gif", ".jpg", ".jpeg", ".svg", ".css", ".ico", ".woff", ".woff2"];

/// The first fitting link of the text; where that has none, of the HTML.
pub(super) fn of(text: &str, html: Option<&str>) -> Option<String> {
    let in_text = IN_TEXT.find_iter(text).take(LINKS_MAX).find_map(|found| fitting(trimmed(found.as_str())));
    in_text.or_else(|| of_html(html?))
}

fn of_html(page: &str) -> Option<String> {
    static ANCHORS: LazyLock<Selector> =
        LazyLock::new(|| Selector::parse("a[href]").expect("the selector is a constant"));
    // A page that the guard refuses has a text all the same, and no link.
    let tree = html::guard::tree(page).ok()?;
    let anchors = tree.select(&ANCHORS).take(LINKS_MAX);
    anchors
        .filter(|anchor| {
            let words: String = anchor.text().take(20).collect();
            !is_machinery(&words.to_ascii_lowercase())
        })
        .find_map(|anchor| fitting(anchor.value().attr("href")?.trim()))
}

/// The end of a sentence is not the end of a link.
fn trimmed(link: &str) -> &str {
    let link = link.trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_', '>']);
    // A closing parenthesis belongs to the link only where it was opened in it.
    match link.strip_suffix(')') {
        Some(inner) if !inner.contains('(') => inner,
        _ => link,
    }
}

fn fitting(link: &str) -> Option<String> {
    if link.len() > LINK_MAX {
        return None;
    }
    let url = Url::parse(link).ok()?;
    let host = url.host_str()?.to_ascii_lowercase();
    let web = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    // An advisory's page bears a number: of the advisory, a CVE, a year. A portal's front page does not.
    let particular =
        [Some(url.path()), url.query()].into_iter().flatten().any(|part| part.contains(|c: char| c.is_ascii_digit()));
    let counter = host.split('.').next().is_some_and(|name| COUNTERS.contains(&name));
    let path = url.path().to_ascii_lowercase();
    let file = FILES.iter().any(|ending| path.ends_with(ending));
    let fits = web && particular && !counter && !file && !is_machinery(&url.as_str().to_ascii_lowercase());
    fits.then(|| url.into())
}

fn is_machinery(lowercase: &str) -> bool {
    MACHINERY.iter().any(|word| lowercase.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_page_that_names_something_is_taken() {
        let text = "See https://vendor.example/ and (https://portal.vendor.example/advisories/VX-2099-01).\n\
                    Later: https://vendor.example/advisories/VX-2099-02";
        assert_eq!(of(text, None).as_deref(), Some("https://portal.vendor.example/advisories/VX-2099-01"));
        let html =
            "<a href='https://vendor.example/u?id=77'>Unsubscribe</a><a href=' https://vendor.example/kb/12 '>Read</a>";
        assert_eq!(of("Read the article.", Some(html)).as_deref(), Some("https://vendor.example/kb/12"));
    }

    #[test]
    fn machinery_is_not() {
        for link in [
            "https://vendor.example/unsubscribe?u=1",
            "https://vendor.example/email-preferences/9",
            "https://click.vendor.example/f/a/123",
            "https://vendor.example/track/123",
            "https://vendor.example/logo2.png",
            "https://vendor.example/advisories",
            "https://user:pass@vendor.example/advisories/1",
            "ftp://vendor.example/1",
            "https://www.linkedin.com/company/12",
        ] {
            assert_eq!(of(&format!("Look: {link} now"), None), None, "{link}");
        }
        assert_eq!(of(&format!("https://vendor.example/1{}", "x".repeat(400)), None), None);
        assert_eq!(of("", Some(&"<div>".repeat(10_000))), None);
    }
}
