//! CVRF in XML, brought into the shape of Microsoft's JSON: what comes where the server does not look at `Accept`.
//!
//! Elements become fields under their local names, attributes too; text stands under `Value`, or alone where there is
//! nothing else. No DTD is processed and no declared entity is expanded.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use crate::formats::feed::scan::{Kind, local, pieces};
use crate::formats::{ParseError, entities};

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 64;
/// Most elements that are read.
const ELEMENTS_MAX: usize = 1_000_000;
/// Elements that only hold a list.
const LISTS: [&str; 6] = ["Notes", "ProductStatuses", "Threats", "CVSSScoreSets", "Remediations", "RevisionHistory"];

static ATTRIBUTE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"([\w:.-]{1,100})\s*=\s*(?:"([^"]*)"|'([^']*)')"#).expect("the pattern is a constant")
});

/// The content of the root element.
///
/// # Errors
/// Where it is nested too deeply, or not well-formed.
pub fn document(text: &str) -> Result<Value, ParseError> {
    let mut open: Vec<Element> = vec![Element::default()];
    let mut elements = 0;
    for piece in pieces(text) {
        let source = &text[piece.start..piece.end];
        match piece.kind {
            Kind::Open(name) | Kind::Empty(name) => {
                elements += 1;
                if open.len() > DEPTH_MAX {
                    return Err(ParseError::TooDeep { limit: DEPTH_MAX });
                }
                if elements > ELEMENTS_MAX {
                    return Err(ParseError::unreadable(format!("it has more than {ELEMENTS_MAX} elements")));
                }
                open.push(Element::new(name, source));
                if matches!(piece.kind, Kind::Empty(_)) {
                    close(&mut open, name)?;
                }
            }
            Kind::Close(name) => close(&mut open, name)?,
            Kind::Text => open.last_mut().into_iter().for_each(|element| unescape(source, &mut element.text)),
            Kind::Cdata => {
                let inner = source.strip_prefix("<![CDATA[").and_then(|rest| rest.strip_suffix("]]>"));
                open.last_mut().into_iter().for_each(|element| element.text.push_str(inner.unwrap_or_default()));
            }
            Kind::Other | Kind::Doctype => {}
        }
    }
    match (open.len(), open.pop()) {
        (1, Some(root)) => Ok(root.fields.into_iter().next().map(|(_, value)| value).unwrap_or_default()),
        _ => Err(ParseError::unreadable("the XML ends before its root element does")),
    }
}

#[derive(Default)]
struct Element {
    name: String,
    fields: Map<String, Value>,
    text: String,
}

impl Element {
    fn new(name: &str, tag: &str) -> Self {
        let mut element = Self { name: local(name).to_owned(), ..Self::default() };
        for found in ATTRIBUTE.captures_iter(tag).take(50) {
            let key = found.get(1).map(|key| key.as_str()).unwrap_or_default();
            let value = found.get(2).or_else(|| found.get(3)).map(|value| value.as_str()).unwrap_or_default();
            if !key.starts_with("xmlns") {
                let mut text = String::new();
                unescape(value, &mut text);
                element.fields.insert(local(key).to_owned(), Value::String(text));
            }
        }
        element
    }

    fn into_value(mut self) -> Value {
        let text = self.text.trim();
        if LISTS.contains(&self.name.as_str()) {
            let children = self.fields.into_iter().map(|(_, value)| value);
            return Value::Array(
                children
                    .flat_map(|value| match value {
                        Value::Array(list) => list,
                        one => vec![one],
                    })
                    .collect(),
            );
        }
        if self.fields.is_empty() {
            return Value::String(text.to_owned());
        }
        if !text.is_empty() {
            self.fields.insert("Value".to_owned(), Value::String(text.to_owned()));
        }
        Value::Object(self.fields)
    }
}

/// Ends the innermost element, which must be `name`, and gives it to the one around it.
fn close(open: &mut Vec<Element>, name: &str) -> Result<(), ParseError> {
    let broken = || ParseError::unreadable(format!("the XML is not well-formed: </{}> closes nothing", local(name)));
    if open.len() < 2 {
        return Err(broken());
    }
    let element = open.pop().filter(|element| element.name == local(name)).ok_or_else(broken)?;
    let around = open.last_mut().ok_or_else(broken)?;
    let name = element.name.clone();
    let value = element.into_value();
    match around.fields.get_mut(&name) {
        Some(Value::Array(list)) if !LISTS.contains(&name.as_str()) => list.push(value),
        Some(known) => *known = Value::Array(vec![known.take(), value]),
        None => {
            around.fields.insert(name, value);
        }
    }
    Ok(())
}

/// `text` with its character references resolved, at the end of `out`.
fn unescape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match entities::decode(rest) {
            Some((character, length)) => {
                out.push_str(&character);
                rest = &rest[length..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_attributes_and_text_become_fields() {
        let source = "<?xml version=\"1.0\"?><c:doc xmlns:c='urn:x'><c:Title>A &lt;b&gt; &amp;&#x21;</c:Title>\
            <Threats><Threat Type=\"Impact\"><ID>1</ID><ID>2</ID></Threat><Threat Type='Severity'/></Threats>\
            <Name ID=\"7\">X<![CDATA[ & Y]]></Name><Notes/></c:doc>";
        let expected = json!({
            "Title": "A <b> &!",
            "Threats": [{"Type": "Impact", "ID": ["1", "2"]}, {"Type": "Severity"}],
            "Name": {"ID": "7", "Value": "X & Y"},
            "Notes": [],
        });
        assert_eq!(document(source), Ok(expected));
    }

    #[test]
    fn broken_and_hostile_xml_is_refused() {
        for broken in ["<a><b></a>", "<a>", "</a>", "<a></a></b>"] {
            assert!(matches!(document(broken), Err(ParseError::Unreadable { .. })), "{broken}");
        }
        assert_eq!(document(&"<a>".repeat(100_000)), Err(ParseError::TooDeep { limit: DEPTH_MAX }));
        let many = format!("<a>{}</a>", "<b/>".repeat(ELEMENTS_MAX));
        assert!(matches!(document(&many), Err(ParseError::Unreadable { .. })));
        let laughs = "<!DOCTYPE a [<!ENTITY l \"ha\">]><a>&l;</a>";
        assert_eq!(document(laughs), Ok(json!("&l;")));
    }
}
