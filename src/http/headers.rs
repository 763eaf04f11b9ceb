//! What the headers of an answer say: validators, freshness, when to come back.

use std::time::{Duration, SystemTime};

use reqwest::header::{
    AGE, CACHE_CONTROL, DATE, ETAG, EXPIRES, HeaderMap, HeaderName, LAST_MODIFIED, LINK, RETRY_AFTER,
};
use url::Url;

use crate::model::health::Validators;

/// The first value of `name` as text; `None` where it is not UTF-8, since it could not be sent back byte for byte.
pub fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok()).map(str::to_owned)
}

/// `ETag` and `Last-Modified`, byte for byte.
pub fn validators(headers: &HeaderMap) -> Validators {
    Validators { etag: text(headers, &ETAG), last_modified: text(headers, &LAST_MODIFIED) }
}

/// The bytes that the headers take, names and separators included.
pub fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
}

/// `Retry-After` (RFC 9110 section 10.2.3) in seconds or as a date, at most `longest`. A date counts from the answer's own
/// `Date`, so that a wrong clock on either side does no harm; without one, from `now`.
pub fn retry_after(headers: &HeaderMap, now: SystemTime, longest: Duration) -> Option<Duration> {
    let value = text(headers, &RETRY_AFTER)?;
    let wait = match delta_seconds(&value) {
        Some(wait) => wait,
        None => {
            let from = date(headers, &DATE).unwrap_or(now);
            httpdate::parse_http_date(value.trim()).ok()?.duration_since(from).unwrap_or_default()
        }
    };
    Some(wait.min(longest))
}

/// How long the answer stays fresh from now (RFC 9111 section 4.2): `max-age`, else `Expires` less `Date`; less `Age`.
/// `None` where nothing is said or the answer must be revalidated at once.
pub fn freshness(headers: &HeaderMap) -> Option<Duration> {
    let mut max_age = None;
    for value in headers.get_all(CACHE_CONTROL) {
        for directive in value.to_str().unwrap_or_default().split(',') {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-cache" | "no-store" => return None,
                "max-age" => max_age = max_age.or_else(|| delta_seconds(argument.trim().trim_matches('"'))),
                _ => {}
            }
        }
    }
    let lifetime = match max_age {
        Some(lifetime) => lifetime,
        None => date(headers, &EXPIRES)?.duration_since(date(headers, &DATE)?).ok()?,
    };
    let age = text(headers, &AGE).and_then(|value| delta_seconds(&value)).unwrap_or_default();
    Some(lifetime.saturating_sub(age))
}

/// The target of the first `Link` with `rel="next"` (RFC 8288 section 3), against `base`: an address of the web.
pub fn next_page(headers: &HeaderMap, base: &Url) -> Option<Url> {
    for value in headers.get_all(LINK) {
        let mut rest = value.to_str().unwrap_or_default();
        while let Some((_, after)) = rest.split_once('<') {
            let (target, after) = after.split_once('>')?;
            let end = after.find(",").map_or(after.len(), |comma| comma + 1);
            let (parameters, following) = after.split_at(end);
            let is_next = parameters.split([';', ',']).filter_map(|one| one.split_once('=')).any(|(name, value)| {
                let named = name.trim().eq_ignore_ascii_case("rel");
                named && value.trim().trim_matches('"').split_whitespace().any(|kind| kind.eq_ignore_ascii_case("next"))
            });
            if is_next {
                return base.join(target.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            }
            rest = following;
        }
    }
    None
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, name)?.trim()).ok()
}

/// RFC 9111 section 1.2.2: digits only; a number too large to hold is the largest.
fn delta_seconds(text: &str) -> Option<Duration> {
    let digits = text.trim();
    let numeric = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    numeric.then(|| Duration::from_secs(digits.parse().unwrap_or(u64::from(u32::MAX))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATED: (&str, &str) = ("date", "Mon, 23 Nov 2026 07:30:00 GMT");

    /// Headers, and the seconds that they state.
    type Case = (&'static [(&'static str, &'static str)], Option<u64>);

    const DAY: Duration = Duration::from_secs(86_400);

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a header value")))
            .collect()
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        let now = httpdate::parse_http_date("Mon, 23 Nov 2026 07:30:00 GMT").expect("a date");
        let cases: [Case; 9] = [
            (&[("retry-after", "120")], Some(120)),
            (&[("retry-after", " 0 ")], Some(0)),
            (&[("retry-after", "99999999999999999999999")], Some(86_400)),
            (&[("retry-after", "Mon, 23 Nov 2026 07:31:30 GMT")], Some(90)),
            (&[("retry-after", "Mon, 23 Nov 2026 07:00:00 GMT")], Some(0)),
            (&[("retry-after", "Fri, 01 Jan 2038 00:00:00 GMT")], Some(86_400)),
            (&[("retry-after", "Mon, 01 Jan 2024 00:00:10 GMT"), ("date", "Mon, 01 Jan 2024 00:00:00 GMT")], Some(10)),
            (&[("retry-after", "soon")], None),
            (&[], None),
        ];
        for (pairs, seconds) in cases {
            let read = retry_after(&headers(pairs), now, DAY);
            assert_eq!(read, seconds.map(Duration::from_secs), "{pairs:?}");
        }
    }

    #[test]
    fn freshness_follows_the_caching_standard() {
        let cases: [Case; 9] = [
            (&[("cache-control", "public, Max-Age=600")], Some(600)),
            (&[("cache-control", "max-age=\"60\"")], Some(60)),
            (&[("cache-control", "max-age=600"), ("age", "500")], Some(100)),
            (&[("cache-control", "max-age=600"), ("age", "900")], Some(0)),
            (&[("cache-control", "max-age=600, no-cache")], None),
            (&[("cache-control", "max-age=-1")], None),
            (&[DATED, ("expires", "Mon, 23 Nov 2026 08:30:00 GMT")], Some(3600)),
            (&[DATED, ("expires", "0")], None),
            (&[DATED], None),
        ];
        for (pairs, seconds) in cases {
            assert_eq!(freshness(&headers(pairs)), seconds.map(Duration::from_secs), "{pairs:?}");
        }
    }

    #[test]
    fn the_next_page_is_found_among_links() {
        let base = Url::parse("https://api.example/advisories?a=1").expect("an address");
        let next = |link: &str| next_page(&headers(&[("link", link)]), &base).map(|url| url.to_string());
        let two = "<https://api.example/x?after=Y%3D>; rel=\"next\", <https://api.example/x?before=Z>; rel=\"prev\"";
        assert_eq!(next(two).as_deref(), Some("https://api.example/x?after=Y%3D"));
        let last = "</x?p=1>; rel=prev, </x?p=3>; title=\"c\"; rel=\"last next\"";
        assert_eq!(next(last).as_deref(), Some("https://api.example/x?p=3"));
        for none in ["</x>; rel=\"prev\"", "</x>", "<javascript:alert(1)>; rel=next", "<", "", "next"] {
            assert_eq!(next(none), None, "{none}");
        }
    }
}
