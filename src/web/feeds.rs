//! Feeds of ours: Atom (RFC 4287) and JSON Feed 1.1 of the advisories that a search finds.

use serde_json::json;

use super::cache::Made;
use crate::model::advisory::Advisory;
use crate::model::clock::Timestamp;
use crate::model::context::{Topic, block};
use crate::model::platform::PlatformId;

/// What a feed tells.
pub(super) struct Feed<'a> {
    pub(super) title: String,
    /// Where our pages are, without a slash at the end.
    pub(super) base: &'a str,
    /// The feed's own address and that of the page, below it.
    pub(super) own: &'a str,
    pub(super) page: &'a str,
    pub(super) advisories: &'a [Advisory],
    /// The shown name of a platform.
    pub(super) name: &'a dyn Fn(&PlatformId) -> String,
}

impl Feed<'_> {
    fn url(&self, advisory: &Advisory) -> String {
        format!("{}/advisories/{}", self.base, advisory.id)
    }

    fn text(&self, advisory: &Advisory) -> String {
        let lines = block(&advisory.content, self.name).iter().map(answer).collect::<Vec<_>>();
        lines.join("\n")
    }
}

/// A question of the context block with its answer.
fn answer(topic: &Topic) -> String {
    let lines = topic.lines.iter().map(|line| match &line.by {
        Some(by) => format!("{} [{}]", line.text, by.name),
        None => line.text.clone(),
    });
    format!("{}: {}", topic.label, lines.collect::<Vec<_>>().join(" "))
}

fn rfc3339(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As Atom.
pub(super) fn atom(feed: &Feed<'_>) -> Made {
    let mut xml =
        String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n");
    let own = format!("{}{}", feed.base, feed.own);
    let updated = feed.advisories.iter().map(|advisory| advisory.revised_at).max().unwrap_or_default();
    let mut element = |name: &str, text: &str| xml.push_str(&format!("<{name}>{}</{name}>\n", escaped(text)));
    element("id", &own);
    element("title", &feed.title);
    element("updated", &rfc3339(updated));
    xml.push_str("<author><name>Rattlewatch</name></author>\n");
    xml.push_str(&format!("<link rel=\"self\" type=\"application/atom+xml\" href=\"{}\"/>\n", escaped(&own)));
    xml.push_str(&format!(
        "<link rel=\"alternate\" type=\"text/html\" href=\"{}\"/>\n",
        escaped(&format!("{}{}", feed.base, feed.page))
    ));
    for advisory in feed.advisories {
        let (url, content) = (escaped(&feed.url(advisory)), &advisory.content);
        xml.push_str(&format!("<entry>\n<id>{url}</id>\n<title>{}</title>\n", escaped(&content.title)));
        xml.push_str(&format!("<link rel=\"alternate\" type=\"text/html\" href=\"{url}\"/>\n"));
        xml.push_str(&format!("<published>{}</published>\n", rfc3339(content.published.unwrap_or(content.first_seen))));
        xml.push_str(&format!("<updated>{}</updated>\n", rfc3339(advisory.revised_at)));
        for id in content.platforms() {
            let label = escaped(&(feed.name)(id));
            xml.push_str(&format!("<category term=\"{}\" label=\"{label}\"/>\n", escaped(&id.0)));
        }
        xml.push_str(&format!("<summary type=\"text\">{}</summary>\n</entry>\n", escaped(&feed.text(advisory))));
    }
    xml.push_str("</feed>\n");
    Made::new("application/atom+xml; charset=utf-8", xml)
}

/// As JSON Feed.
pub(super) fn json(feed: &Feed<'_>) -> Made {
    let item = |advisory: &Advisory| {
        let content = &advisory.content;
        json!({
            "id": feed.url(advisory),
            "url": feed.url(advisory),
            "title": content.title,
            "content_text": feed.text(advisory),
            "date_published": rfc3339(content.published.unwrap_or(content.first_seen)),
            "date_modified": rfc3339(advisory.revised_at),
            "tags": content.platforms().map(|id| (feed.name)(id)).collect::<Vec<_>>(),
        })
    };
    let whole = json!({
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": format!("{}{}", feed.base, feed.page),
        "feed_url": format!("{}{}", feed.base, feed.own),
        "items": feed.advisories.iter().map(item).collect::<Vec<_>>(),
    });
    Made::new("application/feed+json; charset=utf-8", whole.to_string())
}

/// Text as XML takes it: no control characters but tab and line ends (XML 1.0 section 2.2).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}
