//! Recognizes the pages that bot protection sends in place of a document, so that "they shut us out" is never read as
//! "nothing new".

use reqwest::header::{CONTENT_TYPE, HeaderMap, SERVER};

/// How much of a body is searched. Challenge pages are small, and say so early.
pub const SEARCHED: usize = 32 * 1024;

/// Header, words in its value, and whose sign it is. Given with challenges only.
const HEADERS: [(&str, &str, &str); 5] = [
    ("cf-mitigated", "challenge", "Cloudflare"),
    ("x-amzn-waf-action", "challenge", "AWS WAF"),
    ("x-amzn-waf-action", "captcha", "AWS WAF"),
    ("x-sucuri-block", "", "Sucuri"),
    ("x-vercel-mitigated", "challenge", "Vercel"),
];

/// Words of a page that only a challenge or a block page has. Scripts that protection adds to ordinary pages are not
/// among them.
const WORDS: [(&str, &str); 9] = [
    ("_cf_chl_opt", "Cloudflare"),
    ("<title>Attention Required! | Cloudflare</title>", "Cloudflare"),
    ("Incapsula incident ID", "Imperva"),
    ("sec-if-cpt-container", "Akamai"),
    ("errors.edgesuite.net", "Akamai"),
    ("captcha-delivery.com", "DataDome"),
    ("window.gokuProps", "AWS WAF"),
    ("_pxCaptcha", "HUMAN"),
    ("Sucuri WebSite Firewall - Access Denied", "Sucuri"),
];

/// `Server` values of those who answer refusals themselves.
const SERVERS: [(&str, &str); 5] = [
    ("cloudflare", "Cloudflare"),
    ("akamaighost", "Akamai"),
    ("akamainetstorage", "Akamai"),
    ("sucuri", "Sucuri"),
    ("awselb", "AWS"),
];

/// Who sent this challenge, where the headers alone tell.
pub fn in_headers(headers: &HeaderMap) -> Option<&'static str> {
    HEADERS.iter().find(|(name, word, _)| holds(headers, name, word)).map(|(_, _, who)| *who)
}

/// Who sent this challenge, where the page tells. Only HTML is searched: a feed may well speak of bot protection.
pub fn in_page(headers: &HeaderMap, body: &[u8]) -> Option<&'static str> {
    let html = headers.get(CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/html"));
    let start = body.get(..SEARCHED).unwrap_or(body);
    let looks_so = start.trim_ascii_start().first() == Some(&b'<') && !start.trim_ascii_start().starts_with(b"<?xml");
    if !html || !looks_so || body.len() > SEARCHED {
        return None;
    }
    WORDS.iter().find(|(words, _)| start.windows(words.len()).any(|part| part == words.as_bytes())).map(|(_, who)| *who)
}

/// Who stands in front of the publisher, as far as `Server` tells: for a refusal, that is who refuses.
pub fn in_front(headers: &HeaderMap) -> Option<&'static str> {
    let server = headers.get(SERVER).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    SERVERS.iter().find(|(name, _)| server.contains(name)).map(|(_, who)| *who)
}

fn holds(headers: &HeaderMap, name: &str, word: &str) -> bool {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(kind: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().expect("a header value"))])
    }

    #[test]
    fn a_challenge_is_told_from_a_page_that_speaks_of_one() {
        let html = typed("text/html; charset=utf-8");
        let challenge = b"<!doctype html><title>Just a moment...</title><script>window._cf_chl_opt={}</script>";
        assert_eq!(in_page(&html, challenge), Some("Cloudflare"));
        let ordinary = b"<html><script>window.__CF$cv$params={};a.src='/cdn-cgi/challenge-platform/x'</script>";
        assert_eq!(in_page(&html, ordinary), None);
        let feed = b"<?xml version='1.0'?><rss><title>How _cf_chl_opt works</title></rss>";
        assert_eq!(in_page(&typed("application/xml"), feed), None);
        assert_eq!(in_page(&html, feed), None, "an XML feed sent as HTML is still a feed");
    }
}
