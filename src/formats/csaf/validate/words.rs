//! What a text has to look like to be a date, an address, an id or a version. Nothing is parsed twice and nothing
//! backtracks, so a long hostile text costs no more than its length.

use std::cmp::Ordering;

/// A date and time of RFC 3339, in either case, as the schema has it.
pub fn is_date(text: &str) -> bool {
    moment(text).is_some()
}

/// The stricter notation of CSAF 2.1 (test 6.1.37): a capital `T` and `Z`, and no leap second.
pub fn is_strict_date(text: &str) -> bool {
    is_date(text) && text.as_bytes()[10] == b'T' && !text.ends_with('z') && &text[17..19] != "60"
}

/// A date and time as seconds since 1970 and nanoseconds.
pub fn moment(text: &str) -> Option<(i64, u32)> {
    let bytes = text.as_bytes();
    let (clock, rest) = bytes.split_at_checked(19)?;
    let [year, month, day, hour, minute, second] =
        [(0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19)].map(|(from, to)| number(&clock[from..to]));
    let marks = [4, 7, 10, 13, 16].map(|at| clock[at].to_ascii_uppercase());
    let (year, month, day) = (year?, month?, day?);
    let (hour, minute, second) = (hour?, minute?, second?);
    if &marks != b"--T::" || !(1..=12).contains(&month) || day < 1 || day > days(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, zone) = match rest.strip_prefix(b".") {
        Some(rest) => {
            let end = rest.iter().position(|byte| !byte.is_ascii_digit()).filter(|end| *end > 0)?;
            rest.split_at(end)
        }
        None => (&rest[..0], rest),
    };
    let seconds = ((since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second - offset(zone)?;
    let nanos =
        fraction.iter().chain([b'0'; 9].iter()).take(9).fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    Some((seconds, nanos))
}

/// The seconds that a zone is before UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), hours @ .., b':', m1, m2] => {
            let (hours, minutes) = (number(hours).filter(|_| hours.len() == 2)?, number(&[*m1, *m2])?);
            let seconds = (hours * 60 + minutes) * 60;
            (hours <= 23 && minutes <= 59).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to a day, by years that begin in March, so that the leap day is the last of them.
fn since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// An address: a scheme and something behind it. Of the characters that RFC 3986 forbids only white space and control
/// characters count, as vendors write the others and every program follows them.
pub fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && !rest.is_empty()
        && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// `CVE-`, a year and a number of four digits or more.
pub fn is_cve(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix("CVE-")
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(year, number)| year.len() == 4 && number.len() >= 4 && digits(year) && digits(number))
}

/// `CWE-` and a number of six digits at most.
pub fn is_cwe(text: &str) -> bool {
    let digits = text.strip_prefix("CWE-").unwrap_or_default();
    (1..=6).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A CPE name of version 2.3 or a URI of version 2.2, by the number of its parts.
pub fn is_cpe(text: &str) -> bool {
    let ends = |text: &str| !text.contains(|c: char| c.is_whitespace());
    if let Some(rest) = text.strip_prefix("cpe:2.3:") {
        let (mut parts, mut length, mut escaped, mut empty) = (1, 0, false, false);
        for c in rest.chars() {
            if c == ':' && !escaped {
                empty |= length == 0;
                (parts, length) = (parts + 1, 0);
            } else {
                length += 1;
            }
            escaped = c == '\\' && !escaped;
        }
        return parts == 11 && length > 0 && !empty && rest.starts_with(['a', 'h', 'o', '*', '-']) && ends(rest);
    }
    let uri = text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("cpe:/"));
    uri && text[5..].split(':').count() <= 7 && ends(text)
}

/// `pkg:`, a type, and something behind it; what else a package URL needs, test 6.1.13 looks at.
pub fn is_package(text: &str) -> bool {
    let Some((kind, rest)) = text.strip_prefix("pkg:").and_then(|rest| rest.split_once('/')) else { return false };
    let first = |c: char| c.is_ascii_alphabetic() || ".-+".contains(c);
    kind.starts_with(first)
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
        && !rest.is_empty()
        && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Thirty-two hexadecimal digits or more.
pub fn is_hash(text: &str) -> bool {
    text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A text that neither begins nor ends with white space.
pub fn is_trimmed(text: &str) -> bool {
    !text.is_empty() && text.trim().len() == text.len()
}

/// A category: neither its first nor its last character is white space, a hyphen, an underscore or a full stop.
pub fn is_category(text: &str) -> bool {
    let edge = |c: char| c.is_whitespace() || "-_.".contains(c);
    !text.is_empty() && !text.starts_with(edge) && !text.ends_with(edge)
}

/// A share of one, from `0.0` to `1.0`.
pub fn is_share(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or_default();
    let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits && (whole == "0" || (whole == "1" && part.bytes().all(|byte| byte == b'0')))
}

/// A UUID of version 4, or the least or the greatest of all.
pub fn is_group(text: &str) -> bool {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let shape = |(at, byte): (usize, u8)| if [8, 13, 18, 23].contains(&at) { byte == b'-' } else { hex(byte) };
    let random = text.len() == 36 && text.bytes().enumerate().all(shape) && text.as_bytes()[14] == b'4';
    random || text == LEAST || text == GREATEST
}

/// The group that nobody belongs to (section 3.2.2.5.1 of CSAF 2.1), and the one that everybody does.
pub const LEAST: &str = "00000000-0000-0000-0000-000000000000";
/// See [`LEAST`].
pub const GREATEST: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/// A language tag of RFC 5646 by its shape: letters and digits in groups of one to eight, the first of letters.
pub fn is_language(text: &str) -> bool {
    let (first, rest) = text.split_once('-').map_or((text, None), |(first, rest)| (first, Some(rest)));
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let primary = matches!(first.len(), 2..=8) || ["x", "i"].iter().any(|one| first.eq_ignore_ascii_case(one));
    primary
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && rest.is_none_or(|rest| rest.split('-').all(part))
        && (first.len() > 1 || rest.is_some())
}

/// The two-letter languages of the IANA registry, those that are out of use included.
const LANGUAGES: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy \
    da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii \
    ik in io is it iu iw ja ji jv jw ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi \
    mk ml mn mo mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd \
    se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa \
    wo xh yi yo za zh zu";

/// Whether a language of two letters is one; of the thousands with more letters the list is not here.
pub fn is_known_language(tag: &str) -> bool {
    let primary = tag.split('-').next().unwrap_or_default();
    primary.len() != 2 || LANGUAGES.split_ascii_whitespace().any(|known| known.eq_ignore_ascii_case(primary))
}

/// A version: a whole number, or a semantic one.
pub fn is_version(text: &str) -> bool {
    Version::parse(text).is_some()
}

/// A version of a document (section 3.1.11): a whole number, or a semantic version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version<'a> {
    /// Whether it is a semantic version.
    pub semantic: bool,
    core: [&'a str; 3],
    /// What stands behind a hyphen; empty where nothing does.
    pub pre: &'a str,
}

impl<'a> Version<'a> {
    /// Reads one; build metadata are checked and dropped.
    pub fn parse(text: &'a str) -> Option<Self> {
        if is_whole(text) {
            return Some(Self { semantic: false, core: [text, "0", "0"], pre: "" });
        }
        let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
        let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
        let part =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let number = |part: &str| is_whole(part) || !part.bytes().all(|byte| byte.is_ascii_digit());
        if !pre.is_none_or(|pre| pre.split('.').all(|one| part(one) && number(one)))
            || !build.is_none_or(|build| build.split('.').all(part))
        {
            return None;
        }
        let mut parts = core.split('.').filter(|part| is_whole(part));
        let found = [parts.next()?, parts.next()?, parts.next()?];
        (core.split('.').count() == 3).then_some(Self { semantic: true, core: found, pre: pre.unwrap_or_default() })
    }

    /// The whole number, or the major one; the greatest there is where it does not fit.
    pub fn major(&self) -> u64 {
        self.core[0].parse().unwrap_or(u64::MAX)
    }

    /// Whether it is 0, or 0.y.z.
    pub fn is_zero(&self) -> bool {
        self.core[0] == "0"
    }

    /// Whether both are the same but for what stands behind a hyphen.
    pub fn same_release(&self, other: &Self) -> bool {
        (self.semantic, self.core) == (other.semantic, other.core)
    }

    /// Which of two comes first.
    pub fn order(&self, other: &Self) -> Ordering {
        // Without leading zeros, the longer number is the greater one.
        let [ours, theirs] = [self, other].map(|version| version.core.map(|part| (part.len(), part)));
        ours.cmp(&theirs).then_with(|| order_pre(self.pre, other.pre))
    }
}

/// A pre-release comes before its release; of two, the parts are compared one by one, numbers before words.
fn order_pre(a: &str, b: &str) -> Ordering {
    if a.is_empty() || b.is_empty() {
        return b.is_empty().cmp(&a.is_empty()).reverse();
    }
    a.split('.').map(rank).cmp(b.split('.').map(rank))
}

/// Numbers come before words; without leading zeros, the longer number is the greater one.
fn rank(part: &str) -> (u8, usize, &str) {
    if is_whole(part) { (0, part.len(), part) } else { (1, 0, part) }
}

fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart() {
        type Row = (fn(&str) -> bool, &'static [&'static str], &'static [&'static str]);
        let table: &[Row] = &[
            (
                is_date,
                &["2024-02-29T23:59:59Z", "2024-01-24t10:00:00.123456789012z", "1999-12-31T10:00:60+05:30"],
                &[
                    "2023-02-29T00:00:00Z",
                    "2024-01-24",
                    "2024-01-24T10:00:00",
                    "2024-01-24T10:00:00.Z",
                    "x",
                    "2024-01-24T10:00:00+5:30",
                    "2024-13-01T00:00:00Z",
                    "2024-01-24T10:00:00é",
                ],
            ),
            (
                is_strict_date,
                &["2024-01-24T10:00:00.0Z"],
                &["2024-01-24t10:00:00Z", "2024-01-24T10:00:60Z", "2024-01-24T10:00:00z"],
            ),
            (
                is_uri,
                &["https://vendor.example/a", "urn:x", "mailto:a@b.example"],
                &["vendor.example", "https:", "https://a b", ":x", "1x:y"],
            ),
            (
                is_cve,
                &["CVE-2024-1234", "CVE-2024-1234567"],
                &["CVE-2024-123", "cve-2024-1234", "CVE-24-1234", "CVE-2024-12é4"],
            ),
            (is_cwe, &["CWE-79", "CWE-123456"], &["CWE-0", "79", "CWE-", "CWE-1234567"]),
            (
                is_cpe,
                &["cpe:2.3:a:acme:tun\\:nel:1.0:*:*:*:*:*:*:*", "cpe:/a:acme:tunnel:5.1", "CPE:/o:acme"],
                &["cpe:2.3:a:acme", "cpe:2.3:x:a:b:c:*:*:*:*:*:*:*", "cpe:2.3:a::b:1:*:*:*:*:*:*:*", "acme", "cpé:/"],
            ),
            (is_package, &["pkg:npm/%40acme/x@1"], &["pkg:/x", "pkg://npm/x", "npm/x", "pkg:npm/", "pkg:ma%3Fen/x"]),
            (is_hash, &["0123456789abcdefABCDEF0123456789"], &["0123", "g123456789abcdef0123456789abcdef"]),
            (is_trimmed, &["A", "a b"], &["", " a", "a\n"]),
            (is_category, &["csaf_base", "x"], &["", "_x", "x.", " x"]),
            (is_share, &["0.0", "0.123", "1.00"], &["1.01", "2.0", "1", "0.", ".5"]),
            (
                is_group,
                &[LEAST, GREATEST, "01234567-89ab-4cde-8f01-23456789abcd"],
                &["01234567-89ab-1cde-8f01-23456789abcd", "x"],
            ),
            (
                is_language,
                &["en", "de-CH-1996", "x-klingon", "i-default", "zh-Hant"],
                &["", "x", "e", "en_US", "en-", "12"],
            ),
            (is_known_language, &["en", "DE-at", "gsw"], &["EZ", "xx-US"]),
            (
                is_version,
                &["0", "12", "1.2.3", "1.0.0-rc.1+b.01", "1.0.0-0a"],
                &["01", "1.2", "v1.0.0", "1.0.0-01", "1.0.0-", "1.0.0+", "1.2.3.4", "-1", ""],
            ),
        ];
        for (row, (good, yes, no)) in table.iter().enumerate() {
            for text in *yes {
                assert!(good(text), "row {row}: {text}");
            }
            for text in *no {
                assert!(!good(text), "row {row}: {text}");
            }
        }
    }

    #[test]
    fn moments_are_seconds_since_1970_in_any_zone() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", (0, 0)),
            ("2000-03-01T00:00:00.5Z", (951_868_800, 500_000_000)),
            ("2024-02-29T12:00:00+02:00", (1_709_200_800, 0)),
            ("1969-12-31T23:00:00-01:00", (0, 0)),
        ] {
            assert_eq!(moment(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn versions_are_ordered_as_semantic_versioning_says() {
        let sorted = [
            "0.9.0",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0",
            "1.9.0",
            "1.10.0",
            "99999999999999999999.0.0",
        ];
        for pair in sorted.windows(2) {
            let [a, b] = [pair[0], pair[1]].map(|text| Version::parse(text).expect("a version"));
            assert_eq!((a.order(&b), b.order(&a)), (Ordering::Less, Ordering::Greater), "{pair:?}");
        }
    }
}
