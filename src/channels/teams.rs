//! Microsoft Teams: an adaptive card, posted to the address of a workflow ("when a Teams webhook request is received").
//!
//! A card above 28 KB is dropped, by some paths without an error. So the card is measured as it is sent: first
//! advisories of a digest are left out, then all text is shortened, and what is missing is counted. Teams reads Markdown
//! in text, so every character that could begin some is escaped.

use serde_json::{Value, json};

use super::endpoint::{self, Form};
use super::words;
use crate::http::{Answer, Post};
use crate::model::channel::{Brief, BriefItem};
use crate::model::delivery::{Message, Outcome};

/// Most bytes of a body, with room below the 28 KB at which Teams stops.
pub const MOST: usize = 26 * 1024;
/// Characters of one text at first, and at last.
const TEXT: (usize, usize) = (1_000, 60);
/// Most advisories of a digest that are shown.
const ITEMS: usize = 25;

/// The form.
#[derive(Debug)]
pub struct Teams;

impl Form for Teams {
    const NAME: &'static str = "teams";

    fn request(&self, message: &Message) -> Result<Post, Outcome> {
        let (brief, _, url) = endpoint::parts(message)?;
        Ok(endpoint::json(url, body(brief)))
    }

    fn judge(&self, answer: &Answer, post: &Post) -> Outcome {
        match answer.status {
            // Connectors of the old kind answer so when Teams itself has refused.
            200 if answer.text.contains("Microsoft Teams endpoint returned HTTP error") => {
                endpoint::later(answer, post)
            }
            200..=299 => Outcome::Sent { reply: endpoint::said(answer, post) },
            410 => endpoint::gone(answer, post),
            _ => endpoint::later(answer, post),
        }
    }
}

/// How much of a brief is told.
#[derive(Clone, Copy)]
struct Share {
    /// Advisories of a digest.
    items: usize,
    /// Sentences of each list.
    lines: usize,
    /// Characters of each.
    text: usize,
}

/// The body that tells `brief`, below [`MOST`] bytes.
#[must_use]
pub fn body(brief: &Brief) -> Vec<u8> {
    let brief = &words::bounded(brief);
    let mut share = Share { items: ITEMS, lines: 20, text: TEXT.0 };
    loop {
        let body = endpoint::written(&message(brief, share));
        if body.len() <= MOST || (share.items == 1 && share.lines == 1 && share.text == TEXT.1) {
            return body;
        }
        share = match share {
            Share { items, .. } if items > 1 && brief.items.len() > 1 => Share { items: items / 2, ..share },
            Share { text, .. } if text > 250 => Share { text: text / 2, items: 1, ..share },
            Share { lines, .. } if lines > 1 => Share { lines: lines / 2, items: 1, ..share },
            _ => Share { items: 1, lines: 1, text: TEXT.1 },
        };
    }
}

fn message(brief: &Brief, share: Share) -> Value {
    let actions = match brief.url.as_str() {
        "" => json!([]),
        url => json!([{"type": "Action.OpenUrl", "title": "Read all of it", "url": url}]),
    };
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "body": card(brief, share),
                "actions": actions,
            },
        }],
    })
}

fn card(brief: &Brief, share: Share) -> Vec<Value> {
    let urgent = brief.exploited || matches!(brief.severity.as_str(), "critical" | "high");
    let color = if urgent { "Attention" } else { "Default" };
    let mut card = vec![
        json!({"type": "TextBlock", "text": escaped(&brief.lead, share.text), "wrap": true, "weight": "Bolder", "color": color}),
        json!({"type": "TextBlock", "text": escaped(&brief.title, share.text), "wrap": true, "size": "Large", "weight": "Bolder"}),
        quiet(&words::label(brief), share),
    ];
    card.extend(container("What changed", &brief.changes, share, "- "));
    if brief.items.is_empty() {
        card.push(facts(brief, share));
    }
    card.extend(items(brief, share));
    let known: Vec<String> = brief.facts.iter().map(|(label, text)| words::fact(label, text)).collect();
    card.extend(container("", &known, share, ""));
    card.extend(container("What to do", &brief.steps, share, "1. "));
    if !brief.why.is_empty() {
        card.push(quiet(&brief.why, share));
    }
    card
}

fn block(text: &str) -> Value {
    json!({"type": "TextBlock", "text": text, "wrap": true})
}

fn quiet(text: &str, share: Share) -> Value {
    json!({"type": "TextBlock", "text": escaped(text, share.text), "wrap": true, "isSubtle": true, "size": "Small"})
}

fn facts(brief: &Brief, share: Share) -> Value {
    let names = |all: &[String]| {
        let shown = all.iter().take(share.lines).cloned().collect::<Vec<_>>().join(", ");
        match words::and_more(all.len(), share.lines.min(all.len())) {
            more if more.is_empty() && shown.is_empty() => "none known".to_owned(),
            more => format!("{shown} {more}").trim_end().to_owned(),
        }
    };
    let exploited = if brief.exploited { "Yes, known to be exploited" } else { "Not known" };
    let all = [
        ("Severity", words::rating(&brief.severity)),
        ("Exploited", exploited.to_owned()),
        ("Platforms", names(&brief.platforms)),
        ("CVE", names(&brief.cves)),
    ];
    let facts = all.map(|(title, value)| json!({"title": title, "value": escaped(&value, share.text)}));
    json!({"type": "FactSet", "facts": facts})
}

/// Lines in a container of their own, under a heading; each behind `mark`, a number counting up.
fn container(heading: &str, lines: &[String], share: Share, mark: &str) -> Option<Value> {
    if lines.is_empty() {
        return None;
    }
    let mut inside = Vec::new();
    if !heading.is_empty() {
        inside.push(json!({"type": "TextBlock", "text": heading, "wrap": true, "weight": "Bolder"}));
    }
    for (index, line) in lines.iter().take(share.lines).enumerate() {
        let mark = if mark == "1. " { format!("{}. ", index + 1) } else { mark.to_owned() };
        inside.push(block(&format!("{mark}{}", told(line, share))));
    }
    let more = words::and_more(lines.len(), share.lines.min(lines.len()));
    if !more.is_empty() {
        inside.push(block(&more));
    }
    Some(json!({"type": "Container", "items": inside}))
}

/// A sentence; the address that it ends in becomes a link that shows the host.
fn told(line: &str, share: Share) -> String {
    match words::step(line) {
        (before, Some(url)) => {
            let host = url.host_str().unwrap_or_default().to_owned();
            format!("{} {}", escaped(before, share.text), link(url.as_str(), &host, share))
        }
        (text, None) => escaped(text, share.text),
    }
}

/// A link in Markdown; the label alone where the address is empty or too long for what is left.
fn link(address: &str, label: &str, share: Share) -> String {
    let label = escaped(label, share.text.min(300));
    if address.is_empty() || address.len() > share.text * 2 {
        return label;
    }
    let address = address.replace('(', "%28").replace(')', "%29").replace('\\', "%5C").replace(['<', '>', ' '], "");
    format!("[{label}]({address})")
}

/// The advisories of a digest, and how many are left out.
fn items(brief: &Brief, share: Share) -> Vec<Value> {
    let one = |item: &BriefItem| {
        json!({"type": "Container", "separator": true, "items": [
            block(&link(&item.url, &item.title, share)),
            quiet(&words::summary(item), share),
        ]})
    };
    let mut all: Vec<Value> = brief.items.iter().take(share.items).map(one).collect();
    let more = words::and_more(brief.items.len(), all.len());
    if !more.is_empty() {
        all.push(block(&more));
    }
    all
}

/// `text` so that Teams shows it as it is, at most `max` characters of it.
fn escaped(text: &str, max: usize) -> String {
    let text = words::line(text, max);
    let mut out = String::with_capacity(text.len() + 16);
    for (index, c) in text.char_indices() {
        // A number with a full stop would begin a list.
        let numbers = c == '.' && index < 10 && index > 0 && text[..index].bytes().all(|byte| byte.is_ascii_digit());
        if numbers || matches!(c, '\\' | '*' | '_' | '[' | ']' | '`' | '~' | '<' | '|') || begins(c, index) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Whether `c` at the start of a text makes it a heading, a list or a quotation.
fn begins(c: char, index: usize) -> bool {
    index == 0 && matches!(c, '#' | '-' | '+' | '>' | '=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markdown() {
        let cases = [
            ("[Microsoft](https://evil.example)", "\\[Microsoft\\](https://evil.example)"),
            ("# Big", "\\# Big"),
            ("1. one", "1\\. one"),
            ("- one", "\\- one"),
            ("version 1.2 of a_b", "version 1.2 of a\\_b"),
            ("<https://evil.example>", "\\<https://evil.example>"),
            ("a \\* b", "a \\\\\\* b"),
        ];
        for (text, shown) in cases {
            assert_eq!(escaped(text, 500), shown);
        }
    }
}
