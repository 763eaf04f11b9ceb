//! Slack: an incoming webhook, told in blocks.
//!
//! In text, `&`, `<` and `>` are escaped by Slack's rule, so that no source can write a link, a mention or a command
//! (`<!channel>`). `verbatim` keeps Slack from finding links and names by itself, and words such as `@here` are broken
//! up for the notification text, which has no such switch. Slack refuses a message whole when one text is too long,
//! so each is cut to its limit after escaping.

use serde_json::{Value, json};
use url::Url;

use super::endpoint::{self, Form};
use super::words;
use crate::http::{Answer, Post};
use crate::model::channel::{Brief, BriefItem};
use crate::model::delivery::{Message, Outcome};

/// Characters of a header block.
const HEADER: usize = 150;
/// Characters of a section's text.
const SECTION: usize = 3_000;
/// Characters of a field, and of a context line.
const FIELD: usize = 2_000;
/// Blocks of a message.
const BLOCKS: usize = 50;
/// Most advisories of a digest that are shown.
const ITEMS: usize = 10;
/// Longest address of a link.
const LINK: usize = 2_500;

/// Words by which Slack says that a webhook will never take anything again.
const DEAD: [&str; 7] = [
    "no_service",
    "no_active_hooks",
    "invalid_token",
    "channel_not_found",
    "channel_is_archived",
    "no_team",
    "team_disabled",
];

/// The form.
#[derive(Debug)]
pub struct Slack;

impl Form for Slack {
    const NAME: &'static str = "slack";

    fn request(&self, message: &Message) -> Result<Post, Outcome> {
        let (brief, _, url) = endpoint::parts(message)?;
        Ok(endpoint::json(url, body(brief)))
    }

    fn judge(&self, answer: &Answer, post: &Post) -> Outcome {
        let word = answer.text.as_str();
        match answer.status {
            200..=299 => Outcome::Sent { reply: endpoint::said(answer, post) },
            410 => endpoint::gone(answer, post),
            400..=499 if DEAD.contains(&word) => endpoint::gone(answer, post),
            // The same message would be refused again and again.
            400 if word.starts_with("invalid_") || word == "no_text" => Outcome::Never {
                reason: format!("{}; Slack does not understand the message", endpoint::said(answer, post)),
            },
            _ => endpoint::later(answer, post),
        }
    }
}

/// The body that tells `brief`.
#[must_use]
pub fn body(brief: &Brief) -> Vec<u8> {
    let brief = &words::bounded(brief);
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": escaped(&brief.title, HEADER), "emoji": false}}),
        section(&format!("*{}*", escaped(&brief.lead, SECTION - 2))),
        context(&words::label(brief)),
    ];
    blocks.extend(list("What changed", brief.changes.iter().map(|change| format!("• {}", escaped(change, FIELD)))));
    if brief.items.is_empty() {
        blocks.push(json!({"type": "section", "fields": fields(brief)}));
    }
    blocks.extend(items(brief));
    blocks.extend(list(
        "",
        brief.facts.iter().map(|(label, text)| format!("*{}* {}", escaped(label, FIELD), escaped(text, FIELD))),
    ));
    let numbered = brief.steps.iter().enumerate().map(|(index, text)| format!("{}. {}", index + 1, step(text)));
    blocks.extend(list("What to do", numbered));
    if let Some(link) = link(&brief.url, "Read all of it") {
        blocks.push(section(&link));
    }
    blocks.push(context(&brief.why));
    // A section without text is refused.
    blocks.retain(|block| block["text"]["text"] != "" && block["elements"][0]["text"] != "");
    blocks.truncate(BLOCKS);
    let text = escaped(&format!("{} {}", brief.lead, brief.title), FIELD);
    endpoint::written(&json!({"text": text, "blocks": blocks, "unfurl_links": false, "unfurl_media": false}))
}

fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": mrkdwn(if text == "**" { "" } else { text })})
}

fn context(text: &str) -> Value {
    json!({"type": "context", "elements": [mrkdwn(&escaped(text, FIELD))]})
}

/// Lines under a heading; as many as fit, then how many are left out.
fn list(heading: &str, lines: impl Iterator<Item = String>) -> Option<Value> {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return None;
    }
    let mut text = if heading.is_empty() { String::new() } else { format!("*{heading}*") };
    // Room for the last line, which says what is missing.
    let room = SECTION - 40;
    let mut used = text.chars().count();
    for (index, line) in lines.iter().enumerate() {
        used += line.chars().count() + 1;
        if used > room {
            text.push_str(&format!("\n{}", words::and_more(lines.len(), index)));
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line);
    }
    Some(section(text.trim_start()))
}

fn fields(brief: &Brief) -> Vec<Value> {
    let names = |all: &[String]| if all.is_empty() { "none known".to_owned() } else { all.join(", ") };
    let exploited = if brief.exploited { "Yes, known to be exploited" } else { "Not known" };
    let all = [
        ("Severity", words::rating(&brief.severity)),
        ("Exploited", exploited.to_owned()),
        ("Platforms", names(&brief.platforms)),
        ("CVE", names(&brief.cves)),
    ];
    all.iter().map(|(label, text)| mrkdwn(&format!("*{label}*\n{}", escaped(text, FIELD - 20)))).collect()
}

/// The advisories of a digest, a section each.
fn items(brief: &Brief) -> Vec<Value> {
    let one = |item: &BriefItem| {
        let title = link(&item.url, &item.title).unwrap_or_else(|| escaped(&item.title, FIELD));
        section(&format!("{title}\n{}", escaped(&words::summary(item), SECTION - LINK / 2 - FIELD / 2)))
    };
    let mut all: Vec<Value> = brief.items.iter().take(ITEMS).map(one).collect();
    let more = words::and_more(brief.items.len(), all.len());
    if !more.is_empty() {
        all.push(section(&link(&brief.url, &more).unwrap_or(more)));
    }
    all
}

/// A step; the address that it ends in becomes a link that shows the host.
fn step(text: &str) -> String {
    match words::step(text) {
        (before, Some(url)) => {
            let host = url.host_str().unwrap_or_default().to_owned();
            let link = link(url.as_str(), &host).unwrap_or_default();
            format!("{} {link}", escaped(before, FIELD / 2))
        }
        (text, None) => escaped(text, FIELD),
    }
}

/// `<address|label>`; none where the address is no web address or too long.
fn link(address: &str, label: &str) -> Option<String> {
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
    let label = if label.is_empty() { url.host_str().unwrap_or_default() } else { label };
    let address = url.as_str().replace('|', "%7C").replace('@', "%40").replace('&', "&amp;").replace(['<', '>'], "");
    (address.len() <= LINK / 2).then(|| format!("<{address}|{}>", escaped(label, FIELD / 4)))
}

/// `text` so that Slack shows it as it is, at most `max` characters as sent.
fn escaped(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut length = 0;
    for c in text.chars() {
        let shown = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            // A word joiner: `@here` no longer is one word.
            '@' => "@\u{2060}",
            // There is no escape for what marks bold, struck and code; look-alikes mark nothing.
            '*' => "\u{2217}",
            '~' => "\u{223c}",
            '`' => "\u{02cb}",
            _ => "",
        };
        let width = if shown.is_empty() { 1 } else { shown.chars().count() };
        if length + width + 1 > max {
            out.push('…');
            break;
        }
        length += width;
        if shown.is_empty() { out.push(c) } else { out.push_str(shown) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_a_command_a_mention_a_link_or_a_style() {
        let hostile = "<!channel> @here <https://evil.example|Microsoft> *a* `b` & c";
        let said = escaped(hostile, 500);
        assert!(!said.contains(['<', '>', '*', '`']) && !said.contains("@here"), "{said}");
        assert!(said.ends_with("&amp; c"), "{said}");
    }

    #[test]
    fn a_cut_never_falls_into_an_entity() {
        for max in 1..60 {
            let said = escaped(&"&<>".repeat(20), max);
            assert!(said.chars().count() <= max, "{max}: {said}");
            let rest = said.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
            assert!(rest.is_empty() || rest == "…", "{said}");
        }
    }

    #[test]
    fn a_list_that_is_too_long_says_how_much_is_missing() {
        let lines = (0..20).map(|_| "x".repeat(1_000));
        let text = list("What to do", lines).expect("a list")["text"]["text"].as_str().map(str::to_owned);
        assert!(text.is_some_and(|text| text.ends_with("and 18 more") && text.chars().count() <= SECTION));
    }
}
