//! ntfy: a push message to phones, published as JSON to the root of the server.
//!
//! The address of a subscription is that of its topic, `https://ntfy.example/our-alerts`. A message above 4,096 bytes
//! would become an attachment that nobody reads at night, so it ends before that.

use serde_json::json;
use url::Url;

use super::endpoint::{self, Form};
use super::words;
use crate::http::Post;
use crate::model::channel::Brief;
use crate::model::delivery::{Message, Outcome};

/// Most bytes of the message.
pub const MOST: usize = 4_000;
/// Most characters of its title.
const TITLE: usize = 200;
/// Most advisories of a digest that are named.
const ITEMS: usize = 10;

/// The form.
#[derive(Debug)]
pub struct Ntfy;

impl Form for Ntfy {
    const NAME: &'static str = "ntfy";

    fn request(&self, message: &Message) -> Result<Post, Outcome> {
        let (brief, endpoint, url) = endpoint::parts(message)?;
        let (root, topic) = topic(&url).map_err(|reason| Outcome::Never { reason })?;
        let bearer = endpoint.secret.as_ref().map(|token| ("authorization", format!("Bearer {token}")));
        Ok(Post { headers: bearer.into_iter().collect(), ..endpoint::json(root, body(brief, &topic)) })
    }
}

/// The server's root and the topic, from the address of a topic.
///
/// # Errors
/// Says what such an address looks like.
pub fn topic(address: &Url) -> Result<(Url, String), String> {
    let wrong = || "the address of an ntfy topic looks like https://ntfy.example/our-alerts".to_owned();
    let path = address.path().trim_end_matches('/');
    let (before, topic) = path.rsplit_once('/').ok_or_else(wrong)?;
    // ntfy's own rule for topics.
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !(1..=64).contains(&topic.len()) || !topic.chars().all(fits) {
        return Err(wrong());
    }
    let mut root = address.clone();
    root.set_path(&format!("{before}/"));
    root.set_query(None);
    root.set_fragment(None);
    Ok((root, topic.to_owned()))
}

/// Whether somebody may enter this address of a topic and this token.
///
/// # Errors
/// Says what is wrong, and shows neither.
pub(super) fn enterable(address: &Url, token: Option<&str>) -> Result<(), String> {
    topic(address)?;
    // Publishing goes to the server's root, where `?auth=` would be lost without a word.
    if address.query().is_some() {
        return Err("the address of an ntfy topic ends with the topic; give an access token as the secret".to_owned());
    }
    match token {
        Some(token) if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err("an access token of ntfy looks like tk_ and letters and digits, without spaces".to_owned())
        }
        _ => Ok(()),
    }
}

/// The body that tells `brief` to the subscribers of `topic`.
#[must_use]
pub fn body(brief: &Brief, topic: &str) -> Vec<u8> {
    let brief = &words::bounded(brief);
    let title = words::line(&brief.title, TITLE);
    let mut body = json!({
        "topic": topic,
        "title": title,
        "message": fitting(&text(brief)),
        "priority": priority(brief),
        "tags": [if brief.exploited { "rotating_light" } else { "warning" }, brief.severity],
    });
    if !brief.url.is_empty() {
        body["click"] = brief.url.as_str().into();
    }
    endpoint::written(&body)
}

/// 5 wakes people, 3 is an ordinary notification.
fn priority(brief: &Brief) -> u8 {
    // A summary is no alarm, whatever it holds: its alerts have been told.
    if matches!(brief.kind.as_str(), "digest" | "welcome") {
        return 3;
    }
    match (brief.exploited, brief.severity.as_str()) {
        (true, "critical") => 5,
        (true, _) | (false, "critical" | "high") => 4,
        _ => 3,
    }
}

/// What is to be known on a phone: what it is, how bad, and what to do first.
fn text(brief: &Brief) -> String {
    let mut lines = vec![brief.lead.clone()];
    if brief.items.is_empty() {
        let exploited = if brief.exploited { ", exploited" } else { "" };
        lines.push(format!("Severity: {}{exploited}", words::rating(&brief.severity)));
        for (label, names) in [("Platforms", &brief.platforms), ("CVE", &brief.cves)] {
            if !names.is_empty() {
                lines.push(format!("{label}: {}", names.join(", ")));
            }
        }
    }
    lines.extend(brief.changes.iter().map(|change| format!("Changed: {change}")));
    lines.extend(brief.items.iter().take(ITEMS).map(|item| format!("- {} ({})", item.title, words::summary(item))));
    let more = words::and_more(brief.items.len(), ITEMS.min(brief.items.len()));
    lines.extend((!more.is_empty()).then_some(more));
    lines.extend(brief.facts.iter().map(|(label, text)| words::fact(label, text)));
    lines.extend(brief.steps.iter().enumerate().map(|(index, step)| format!("{}. {step}", index + 1)));
    lines.extend([brief.tlp.clone(), brief.why.clone()]);
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

/// At most [`MOST`] bytes of `text`, cut between characters.
fn fitting(text: &str) -> String {
    if text.len() <= MOST {
        return text.to_owned();
    }
    let mut end = MOST - '…'.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_parted_from_its_server() {
        let parted =
            |address: &str| topic(&Url::parse(address).expect("a URL")).map(|(root, name)| (root.to_string(), name));
        assert_eq!(parted("https://ntfy.example/noc"), Ok(("https://ntfy.example/".to_owned(), "noc".to_owned())));
        assert_eq!(parted("https://x.example/ntfy/noc/"), Ok(("https://x.example/ntfy/".to_owned(), "noc".to_owned())));
        for wrong in ["https://ntfy.example/", "https://ntfy.example/a%20b", "https://ntfy.example/a.b"] {
            assert!(parted(wrong).is_err(), "{wrong}");
        }
    }
}
