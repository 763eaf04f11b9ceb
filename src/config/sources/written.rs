//! A `[[source]]` as it was written. Unknown, missing and mistyped keys are told here; what values mean is not judged.

use crate::config::fault::{Faults, quoted};
use crate::config::written::{At, Table, document};

const KEYS: [&str; 22] = [
    "id",
    "name",
    "publisher",
    "kind",
    "country",
    "url",
    "format",
    "schedule",
    "enabled",
    "platforms",
    "user_agent",
    "accept_encoding",
    "html",
    "mailbox",
    "json",
    "sets",
    "silent_days",
    "off_because",
    "instead_of",
    "key",
    "needs_key",
    "note",
];
const REQUIRED: [&str; 8] = ["id", "name", "publisher", "kind", "country", "url", "format", "schedule"];
const HTML_KEYS: [&str; 10] =
    ["item", "title", "link", "link_pattern", "date", "date_pattern", "summary", "keep", "min_items", "page_title"];
const JSON_KEYS: [&str; 10] =
    ["items", "title", "link", "link_prefix", "id", "date", "text", "tlp", "keep", "min_items"];
const MAILBOX_KEYS: [&str; 4] = ["from", "require_dkim", "trust_results_of", "tlp"];

/// One `[[source]]`. An absent value was not written, or was told to be of the wrong type.
pub(super) struct WrittenSource {
    /// What messages call it: `source cisa-kev`, or `source #3` where it has no id.
    pub(super) label: String,
    pub(super) id: Option<At<String>>,
    pub(super) name: Option<At<String>>,
    pub(super) publisher: Option<At<String>>,
    pub(super) kind: Option<At<String>>,
    pub(super) country: Option<At<String>>,
    pub(super) url: Option<At<String>>,
    pub(super) format: Option<At<String>>,
    pub(super) schedule: Option<At<String>>,
    pub(super) enabled: Option<At<bool>>,
    pub(super) platforms: Vec<At<String>>,
    pub(super) user_agent: Option<At<String>>,
    pub(super) accept_encoding: Option<At<String>>,
    pub(super) html: Option<WrittenHtml>,
    pub(super) mailbox: Option<WrittenMailbox>,
    pub(super) json: Option<WrittenJson>,
    pub(super) sets: Vec<At<String>>,
    pub(super) silent_days: Option<At<usize>>,
    pub(super) off_because: Option<At<String>>,
    pub(super) instead_of: Option<At<String>>,
    pub(super) key: Option<At<String>>,
    pub(super) needs_key: Option<At<String>>,
    pub(super) note: Option<At<String>>,
}

/// Its `[source.html]`.
pub(super) struct WrittenHtml {
    pub(super) label: String,
    pub(super) line: usize,
    pub(super) item: Option<At<String>>,
    pub(super) title: Option<At<String>>,
    pub(super) link: Option<At<String>>,
    pub(super) link_pattern: Option<At<String>>,
    pub(super) date: Option<At<String>>,
    pub(super) date_pattern: Option<At<String>>,
    pub(super) summary: Option<At<String>>,
    pub(super) keep: Option<At<String>>,
    pub(super) min_items: Option<At<usize>>,
    pub(super) page_title: Option<At<String>>,
}

/// Its `[source.mailbox]`.
pub(super) struct WrittenMailbox {
    pub(super) label: String,
    pub(super) line: usize,
    pub(super) from: Vec<At<String>>,
    pub(super) require_dkim: Option<At<bool>>,
    pub(super) trust_results_of: Option<At<String>>,
    pub(super) tlp: Option<At<String>>,
}

/// Its `[source.json]`.
pub(super) struct WrittenJson {
    pub(super) label: String,
    pub(super) line: usize,
    pub(super) items: Option<At<String>>,
    pub(super) title: Option<At<String>>,
    pub(super) link: Option<At<String>>,
    pub(super) link_prefix: Option<At<String>>,
    pub(super) id: Option<At<String>>,
    pub(super) date: Option<At<String>>,
    pub(super) text: Option<At<String>>,
    pub(super) tlp: Option<At<String>>,
    pub(super) keep: Option<At<String>>,
    pub(super) min_items: Option<At<usize>>,
}

/// The sources in `text`, in order.
pub(super) fn read(text: &str, faults: &mut Faults<'_>) -> Vec<WrittenSource> {
    let Some(document) = document(text, faults) else { return Vec::new() };
    let root = Table::new(&document, 1, String::new());
    root.refuse_unknown(&["source"], faults);
    let tables = root.tables("source", faults);
    tables.into_iter().enumerate().map(|(index, table)| source(index, table, faults)).collect()
}

fn source(index: usize, mut table: Table<'_, '_>, faults: &mut Faults<'_>) -> WrittenSource {
    table.name = format!("source #{}", index + 1);
    let id = table.text("id", faults);
    if let Some(id) = id.as_ref().filter(|id| !id.value.is_empty()) {
        table.name = format!("source {}", quoted(&id.value).trim_matches('\''));
    }
    table.refuse_unknown(&KEYS, faults);
    table.require(&REQUIRED, faults);
    let (html_name, json_name) = (table.path("html"), table.path("json"));
    let mailbox_name = table.path("mailbox");
    WrittenSource {
        id,
        name: table.text("name", faults),
        publisher: table.text("publisher", faults),
        kind: table.text("kind", faults),
        country: table.text("country", faults),
        url: table.text("url", faults),
        format: table.text("format", faults),
        schedule: table.text("schedule", faults),
        enabled: table.flag("enabled", faults),
        platforms: table.texts("platforms", faults).unwrap_or_default(),
        user_agent: table.text("user_agent", faults),
        accept_encoding: table.text("accept_encoding", faults),
        sets: table.texts("sets", faults).unwrap_or_default(),
        silent_days: table.number("silent_days", faults),
        off_because: table.text("off_because", faults),
        instead_of: table.text("instead_of", faults),
        key: table.text("key", faults),
        needs_key: table.text("needs_key", faults),
        note: table.text("note", faults),
        html: table.table("html", html_name, faults).map(|table| html(table, faults)),
        mailbox: table.table("mailbox", mailbox_name, faults).map(|table| mailbox(table, faults)),
        json: table.table("json", json_name, faults).map(|table| json(table, faults)),
        label: table.name,
    }
}

fn html(table: Table<'_, '_>, faults: &mut Faults<'_>) -> WrittenHtml {
    table.refuse_unknown(&HTML_KEYS, faults);
    let link_pattern = table.text("link_pattern", faults);
    if link_pattern.is_none() {
        table.require(&["item"], faults);
    }
    WrittenHtml {
        link_pattern,
        date_pattern: table.text("date_pattern", faults),
        item: table.text("item", faults),
        title: table.text("title", faults),
        link: table.text("link", faults),
        date: table.text("date", faults),
        summary: table.text("summary", faults),
        keep: table.text("keep", faults),
        min_items: table.number("min_items", faults),
        page_title: table.text("page_title", faults),
        line: table.line,
        label: table.name,
    }
}

fn mailbox(table: Table<'_, '_>, faults: &mut Faults<'_>) -> WrittenMailbox {
    table.refuse_unknown(&MAILBOX_KEYS, faults);
    table.require(&["from"], faults);
    WrittenMailbox {
        from: table.texts("from", faults).unwrap_or_default(),
        require_dkim: table.flag("require_dkim", faults),
        trust_results_of: table.text("trust_results_of", faults),
        tlp: table.text("tlp", faults),
        line: table.line,
        label: table.name,
    }
}

fn json(table: Table<'_, '_>, faults: &mut Faults<'_>) -> WrittenJson {
    table.refuse_unknown(&JSON_KEYS, faults);
    table.require(&["items", "title"], faults);
    WrittenJson {
        items: table.text("items", faults),
        title: table.text("title", faults),
        link: table.text("link", faults),
        link_prefix: table.text("link_prefix", faults),
        id: table.text("id", faults),
        date: table.text("date", faults),
        text: table.text("text", faults),
        tlp: table.text("tlp", faults),
        keep: table.text("keep", faults),
        min_items: table.number("min_items", faults),
        line: table.line,
        label: table.name,
    }
}
