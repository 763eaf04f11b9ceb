//! What a web page is when it stands where something else was expected: a challenge, a refusal, a login.
//!
//! Publishers answer with status 200 and such a page, so the status tells nothing. Taking it for an empty list would
//! turn "we are kept out" into "nothing happened".

/// How much of a page is looked at, in bytes.
const LOOK: usize = 64 * 1024;

/// Phrases (lowercase) that give a page away, and what it is.
const SIGNS: &[(&str, &str)] = &[
    ("<title>just a moment", "a Cloudflare bot challenge"),
    ("cf-browser-verification", "a Cloudflare bot challenge"),
    ("/cdn-cgi/challenge-platform", "a Cloudflare bot challenge"),
    ("<title>attention required! | cloudflare", "a Cloudflare block page"),
    ("<title>access denied", "an \"Access Denied\" page (the publisher refuses this client)"),
    ("errors.edgesuite.net", "an \"Access Denied\" page (the publisher refuses this client)"),
    ("_incapsula_resource", "an Imperva bot challenge"),
    ("<title>pardon our interruption", "a bot challenge"),
    ("px-captcha", "a bot challenge"),
    ("awswafintegration", "an AWS WAF bot challenge"),
    ("<title>403 forbidden", "a page that says \"403 Forbidden\""),
    ("<title>404", "a page that says \"404\""),
    ("<title>page not found", "a page that says \"page not found\""),
    ("type=\"password\"", "a login page"),
    ("type='password'", "a login page"),
    ("type=password", "a login page"),
];

/// What web page `source` is; absent where it is none.
#[must_use]
pub fn recognize(source: &str) -> Option<String> {
    is_page(source).then(|| obstacle(source).unwrap_or("a web page").to_owned())
}

/// The challenge, refusal or login that a web page is; absent for an ordinary page.
#[must_use]
pub fn obstacle(page: &str) -> Option<&'static str> {
    let start = page[..page.floor_char_boundary(LOOK)].to_ascii_lowercase();
    SIGNS.iter().find(|(sign, _)| start.contains(sign)).map(|(_, name)| *name)
}

/// Whether the first element of `source` is one of HTML.
fn is_page(source: &str) -> bool {
    let mut rest = source.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    loop {
        let end = if rest.starts_with("<!--") {
            "-->"
        } else if rest.starts_with("<?") {
            "?>"
        } else {
            break;
        };
        let Some((_, after)) = rest.split_once(end) else { return false };
        rest = after.trim_start();
    }
    let start = rest[..rest.floor_char_boundary(40)].to_ascii_lowercase();
    let after_bracket = start.strip_prefix('<').unwrap_or_default();
    let name = after_bracket.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':')).next().unwrap_or_default();
    let html_doctype = after_bracket.strip_prefix("!doctype").is_some_and(|kind| kind.trim_start().starts_with("html"));
    html_doctype
        || matches!(name, "html" | "head" | "body" | "script" | "meta" | "div" | "title" | "table" | "p" | "center")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_from_feeds_and_named() {
        let table = [
            ("<!DOCTYPE html><html><head><title>Just a moment...</title>", Some("a Cloudflare bot challenge")),
            (
                "\n<HTML><HEAD>\n<TITLE>Access Denied</TITLE>",
                Some("an \"Access Denied\" page (the publisher refuses this client)"),
            ),
            ("<!-- x --><html><form><input type=\"password\">", Some("a login page")),
            ("<html><body>News</body></html>", Some("a web page")),
            ("<?xml version=\"1.0\"?><!-- c --><rss version=\"2.0\">", None),
            ("<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>Access Denied</title>", None),
            ("{\"title\": \"<html>\"}", None),
            ("", None),
        ];
        for (source, expected) in table {
            assert_eq!(recognize(source).as_deref(), expected, "{source}");
        }
    }
}
