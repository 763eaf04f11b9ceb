//! Dates as publishers write them.
//!
//! One tolerant reader for RFC 822 and 2822 (two-digit years, obsolete zones), RFC 3339 and ISO 8601 (zone and time
//! optional), and written dates in English, French, German and Spanish. A time without a zone is UTC. What cannot be
//! read, or could be read in two ways (`04/05/2025`), is `None`: a wrong date is worse than none.

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use unicode_normalization::UnicodeNormalization;
use url::Url;

use crate::model::clock::Timestamp;

/// Longest text that is looked at, in characters.
const TEXT_MAX: usize = 120;

/// The instant that `text` names.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let text: String = text.trim().chars().take(TEXT_MAX).collect();
    iso(&text).or_else(|| words(&text))
}

/// The day in a link's path, as `/2025/09/18/` or a slug that begins with `2025-09-18`: midnight UTC of it.
#[must_use]
pub fn from_path(url: &Url) -> Option<Timestamp> {
    let segments: Vec<&str> = url.path().split('/').collect();
    let by_folders = segments.windows(3).find_map(|window| match window {
        [y, m, d] if y.len() == 4 && m.len() <= 2 && d.len() <= 2 => day(number(y)?, number(m)?, number(d)?),
        _ => None,
    });
    let by_slug = || segments.iter().find_map(|segment| day_at_start(segment));
    instant(by_folders.or_else(by_slug)?, (0, 0, 0), 0)
}

fn day_at_start(segment: &str) -> Option<Date> {
    let ends_there = segment.as_bytes().get(10).is_none_or(|next| !next.is_ascii_digit());
    let mut parts = segment.get(..10).filter(|_| ends_there)?.split('-');
    let found = day(number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    found.filter(|_| parts.next().is_none())
}

/// A number without sign, of at most four digits.
fn number(text: &str) -> Option<i32> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A day of the years in which advisories are written.
fn day(year: i32, month: i32, day: i32) -> Option<Date> {
    if !(1970..=2199).contains(&year) {
        return None;
    }
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// `offset` in seconds east of UTC. A leap second counts as the second before it; 24:00 is the next midnight.
fn instant(day: Date, (hour, minute, second): (i32, i32, i32), offset: i32) -> Option<Timestamp> {
    let (day, hour) = if (hour, minute, second) == (24, 0, 0) { (day.tomorrow().ok()?, 0) } else { (day, hour) };
    let second = if second == 60 { 59 } else { second };
    let small = |n: i32| i8::try_from(n).ok();
    let time = jiff::civil::Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()?;
    let zone = TimeZone::fixed(Offset::from_seconds(offset).ok()?);
    Some(zone.to_timestamp(DateTime::from_parts(day, time)).ok()?.into())
}

/// RFC 3339 and the ISO 8601 forms near it: `2025-09-18`, `20250918T120000Z`, `2025-09-18 12:00:00.5+02:00`.
fn iso(text: &str) -> Option<Timestamp> {
    let dense = text.len() >= 8 && text.as_bytes()[..8].iter().all(u8::is_ascii_digit);
    let (date, rest) = if dense {
        let part = |range: std::ops::Range<usize>| text.get(range).and_then(number);
        (day(part(0..4)?, part(4..6)?, part(6..8)?)?, &text[8..])
    } else {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
        let mut parts = text[..end].split('-');
        let year = parts.next().filter(|year| year.len() == 4).and_then(number)?;
        let month = parts.next().map_or(Some(1), number)?;
        let day_of_month = parts.next().map_or(Some(1), number)?;
        if parts.next().is_some() {
            return None;
        }
        (day(year, month, day_of_month)?, &text[end..])
    };
    let rest = rest.trim_start_matches(['T', 't', ' ', ',']).trim();
    if rest.is_empty() {
        return instant(date, (0, 0, 0), 0);
    }
    if !rest.as_bytes()[0].is_ascii_digit() {
        return None;
    }
    let split = rest.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.' || c == ',')).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(split);
    let time = if time.contains(':') { clock(time)? } else { dense_clock(time)? };
    let zone = zone.trim();
    instant(date, time, if zone.is_empty() { 0 } else { offset(zone)? })
}

/// `12:00`, `12:00:30`, `12:00:30.123`.
fn clock(text: &str) -> Option<(i32, i32, i32)> {
    let mut parts = text.split(':');
    let hour = number(parts.next()?)?;
    let minute = number(parts.next()?)?;
    let second = parts.next().map_or(Some(0), |second| number(second.split(['.', ',']).next()?))?;
    parts.next().is_none().then_some((hour, minute, second))
}

/// `1200`, `120030`, `120030.123`.
fn dense_clock(text: &str) -> Option<(i32, i32, i32)> {
    let whole = text.split(['.', ',']).next()?;
    let part = |range: std::ops::Range<usize>| whole.get(range).and_then(number);
    match whole.len() {
        4 => Some((part(0..2)?, part(2..4)?, 0)),
        6 => Some((part(0..2)?, part(2..4)?, part(4..6)?)),
        _ => None,
    }
}

/// Zone names with their hours east of UTC, in tenths: RFC 822 section 5.1 and those that feeds use beside them.
const ZONES: &[(&str, i32)] = &[
    ("z", 0),
    ("ut", 0),
    ("utc", 0),
    ("gmt", 0),
    ("wet", 0),
    ("est", -50),
    ("edt", -40),
    ("et", -50),
    ("cst", -60),
    ("cdt", -50),
    ("mst", -70),
    ("mdt", -60),
    ("pst", -80),
    ("pdt", -70),
    ("bst", 10),
    ("cet", 10),
    ("mez", 10),
    ("cest", 20),
    ("mesz", 20),
    ("eet", 20),
    ("eest", 30),
    ("msk", 30),
    ("jst", 90),
    ("kst", 90),
    ("aest", 100),
    ("aedt", 110),
    ("nzst", 120),
    ("nzdt", 130),
];

/// Seconds east of UTC of a zone: a name, `+0200`, `+02:00`, `-05`, `GMT+2`.
fn offset(text: &str) -> Option<i32> {
    let folded = text.to_ascii_lowercase();
    if let Some((_, tenths)) = ZONES.iter().find(|(name, _)| *name == folded) {
        return Some(tenths * 360);
    }
    let signed = folded.trim_start_matches("gmt").trim_start_matches("utc");
    let (sign, digits) = match signed.as_bytes().first()? {
        b'+' => (1, &signed[1..]),
        b'-' => (-1, &signed[1..]),
        _ => return None,
    };
    let (hours, minutes) = match (digits.split_once(':'), digits.len()) {
        (Some((hours, minutes)), _) => (number(hours)?, number(minutes)?),
        (None, 1 | 2) => (number(digits)?, 0),
        (None, 4) => (number(digits.get(..2)?)?, number(digits.get(2..)?)?),
        (None, _) => return None,
    };
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Names of the months in English, French, German and Spanish, without accents.
const MONTHS: [&[&str]; 12] = [
    &["january", "janvier", "januar", "janner", "enero"],
    &["february", "fevrier", "februar", "febrero"],
    &["march", "mars", "marz", "maerz", "mrz", "marzo"],
    &["april", "avril", "abril"],
    &["may", "mai", "mayo"],
    &["june", "juin", "juni", "junio"],
    &["july", "juillet", "juli", "julio"],
    &["august", "aout", "agosto"],
    &["september", "septembre", "septiembre", "setiembre"],
    &["october", "octobre", "oktober", "octubre"],
    &["november", "novembre", "noviembre"],
    &["december", "decembre", "dezember", "diciembre"],
];

/// The month, 1 to 12, that `word` names in full or by at least three letters.
fn month(word: &str) -> Option<i32> {
    let plain: String = word.nfd().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    // "jui" and "jun" or "jul": the French abbreviation is of two months, so it names none.
    if plain.len() < 3 || plain == "jui" || !word.starts_with(char::is_alphabetic) {
        return None;
    }
    let index = MONTHS.iter().position(|names| names.iter().any(|name| name.starts_with(&plain)))?;
    i32::try_from(index + 1).ok()
}

/// What a reader of words has understood so far.
#[derive(Default)]
struct Seen {
    month: Option<i32>,
    numbers: Vec<(i32, usize)>,
    time: Option<(i32, i32, i32)>,
    afternoon: Option<bool>,
    offset: Option<i32>,
    date: Option<Date>,
}

/// Written dates: `Thu, 18 Sep 25 12:00:00 +0000`, `September 18, 2025 3:04 PM EST`, `18. September 2025`.
fn words(text: &str) -> Option<Timestamp> {
    let mut seen = Seen::default();
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')' | '|')) {
        if !word.is_empty() {
            seen.word(word);
        }
    }
    let (hour, minute, second) = seen.time.unwrap_or_default();
    let hour = match seen.afternoon {
        Some(true) if hour < 12 => hour + 12,
        Some(false) if hour == 12 => 0,
        _ => hour,
    };
    instant(seen.day()?, (hour, minute, second), seen.offset.unwrap_or(0))
}

impl Seen {
    fn word(&mut self, word: &str) {
        let bare = word.trim_end_matches(['.', ';']);
        let folded = bare.to_ascii_lowercase();
        let ordinal = folded.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        if matches!(folded.replace('.', "").as_str(), "am" | "pm") {
            self.afternoon = Some(folded.starts_with('p'));
        } else if word.contains(':') && word.starts_with(|c: char| c.is_ascii_digit()) {
            self.clock_word(&folded);
        } else if self.time.is_some() && self.offset.is_none() && offset(bare).is_some() {
            self.offset = offset(bare);
        } else if let Some(number) = number(&folded) {
            self.numbers.push((number, folded.len()));
        } else if matches!(&folded[ordinal.len()..], "st" | "nd" | "rd" | "th" | "er") && number(ordinal).is_some() {
            self.numbers.extend(number(ordinal).map(|day| (day, ordinal.len())));
        } else if let Some(found) = month(bare) {
            // The last one counts: "mar." is March and, before a French date, Tuesday.
            self.month = Some(found);
        } else if self.date.is_none() {
            self.date = numeric(bare);
        }
    }

    /// A time with what some glue to it: `3:04pm`, `12:00:00Z`, `12:00:00+0200`.
    fn clock_word(&mut self, word: &str) {
        let end = word.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.')).unwrap_or(word.len());
        let (time, rest) = word.split_at(end);
        self.time = self.time.or_else(|| clock(time.trim_end_matches('.')));
        match rest {
            "" => {}
            "am" | "pm" => self.afternoon = Some(rest == "pm"),
            zone => self.offset = self.offset.or_else(|| offset(zone)),
        }
    }

    fn day(&self) -> Option<Date> {
        let Some(month) = self.month else { return self.date };
        let (first, second) = (self.numbers.first()?, self.numbers.get(1)?);
        let ((year, digits), day_of_month) = if first.1 == 4 { (*first, second.0) } else { (*second, first.0) };
        // RFC 2822 section 4.3: how years of two and three digits are meant.
        let year = match digits {
            4 => year,
            3 => year + 1900,
            2 if year < 50 => year + 2000,
            2 => year + 1900,
            _ => return None,
        };
        day(year, month, day_of_month)
    }
}

/// `18.09.2025`, `09/18/2025`, `2025/09/18`, `18-Sep-2025`; `None` where day and month cannot be told apart.
fn numeric(text: &str) -> Option<Date> {
    let separator = text.chars().find(|c| matches!(c, '/' | '.' | '-'))?;
    let parts: Vec<&str> = text.split(separator).collect();
    let [a, b, c] = parts[..] else { return None };
    if let Some(month) = month(b).filter(|_| c.len() == 4) {
        return day(number(c)?, month, number(a)?);
    }
    let numbers = (number(a)?, number(b)?, number(c)?);
    match (numbers, separator) {
        ((year, month, date), _) if a.len() == 4 => day(year, month, date),
        ((date, month, year), '.') if c.len() == 4 => day(year, month, date),
        ((date, month, year), _) if c.len() == 4 && date > 12 => day(year, month, date),
        ((month, date, year), _) if c.len() == 4 && date > 12 => day(year, month, date),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "2025-09-18T12:00:00Z";
    const MIDNIGHT: &str = "2025-09-18T00:00:00Z";
    const WRITTEN: &[(&str, &str)] = &[
        // RFC 822, 2822 and what feeds make of them
        ("Thu, 18 Sep 25 12:00:00 +0000", NOON),
        ("Thu, 18 Sep 2025 12:00:00 +0000", NOON),
        ("Thu, 18 Sep 2025 12:00:00 GMT", NOON),
        ("Thu, 18 Sep 2025 12:00:00 UT", NOON),
        ("Thu, 18 Sep 2025 12:00:00 Z", NOON),
        ("Thu, 18 Sep 2025 07:00:00 EST", NOON),
        ("Thu, 18 Sep 2025 08:00:00 EDT", NOON),
        ("Thu, 18 Sep 2025 06:00:00 CST", NOON),
        ("Thu, 18 Sep 2025 05:00:00 PDT", NOON),
        ("Thu, 18 Sep 2025 14:00:00 CEST", NOON),
        ("Thu, 18 Sep 2025 14:00:00 +02:00", NOON),
        ("Thu, 18 Sep 2025 14:00:00 GMT+2", NOON),
        ("Thu, 18 Sep 2025 17:30:00 +0530", NOON),
        ("Thu,18 Sep 2025 12:00 +0000", NOON),
        ("18 Sep 2025 12:00:00", NOON),
        ("Thursday, 18 September 2025 12:00:00 +0000 (UTC)", NOON),
        ("Thu Sep 18 12:00:00 2025", NOON),
        ("Thu Sep 18 12:00:00 UTC 2025", NOON),
        ("  Thu, 18 Sep 2025\n12:00:00 +0000 ", NOON),
        ("Wed, 31 Dec 97 23:59:60 GMT", "1997-12-31T23:59:59Z"),
        ("Wed, 17 Sep 2025 24:00:00 GMT", MIDNIGHT),
        // RFC 3339 and ISO 8601
        ("2025-09-18T12:00:00Z", NOON),
        ("2025-09-18T14:00:00+02:00", NOON),
        ("2025-09-18T12:00:00.123456789Z", NOON),
        ("2025-09-18T12:00:00", NOON),
        ("2025-09-18T12:00Z", NOON),
        ("2025-09-18 12:00:00", NOON),
        ("2025-09-18 12:00:00 UTC", NOON),
        ("20250918T120000Z", NOON),
        ("2025-09-18", MIDNIGHT),
        ("20250918", MIDNIGHT),
        ("2025-09", "2025-09-01T00:00:00Z"),
        ("2025-09-18T00:00:00-0500", "2025-09-18T05:00:00Z"),
        // English on pages
        ("September 18, 2025", MIDNIGHT),
        ("Sept. 18, 2025", MIDNIGHT),
        ("18 September 2025", MIDNIGHT),
        ("September 18th, 2025 12:00 PM", NOON),
        ("Sep 18, 2025, 12:00:00 a.m.", MIDNIGHT),
        ("Published: September 18, 2025 | 8:00 AM EDT", NOON),
        ("18-Sep-2025", MIDNIGHT),
        ("09/18/2025", MIDNIGHT),
        ("18/09/2025", MIDNIGHT),
        ("2025/09/18", MIDNIGHT),
        // French, German, Spanish
        ("18 septembre 2025", MIDNIGHT),
        ("mar. 18 août 2025", "2025-08-18T00:00:00Z"),
        ("1er février 2025", "2025-02-01T00:00:00Z"),
        ("18. September 2025", MIDNIGHT),
        ("Do, 18. März 2025 12:00", "2025-03-18T12:00:00Z"),
        ("18.09.2025", MIDNIGHT),
        ("6 Dez 2025 12:00:00 +0100", "2025-12-06T11:00:00Z"),
        ("18 de septiembre de 2025", MIDNIGHT),
        ("jue, 18 dic 2025 12:00:00 +0000", "2025-12-18T12:00:00Z"),
    ];

    #[test]
    fn dates_are_read_as_publishers_write_them() {
        assert!(WRITTEN.len() >= 50);
        for (text, expected) in WRITTEN {
            assert_eq!(parse(text).map(|at| at.to_string()).as_deref(), Some(*expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_or_could_be_two_is_none() {
        let table =
            ["", "yesterday", "04/05/2025", "2025-13-01", "31 Feb 2025", "0000-00-00", "12:00", "Sep 2025", "ä2"];
        for text in table.into_iter().chain(["2025-09-18Tnoon", "18 Sep 99999", "-", "é-é-é", "1é2345678"]) {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_in_the_path_is_a_date_and_a_year_alone_is_not() {
        let table = [
            ("https://www.cisa.gov/news-events/alerts/2025/09/18/slug", Some("2025-09-18T00:00:00Z")),
            ("https://vendor.example/bulletins/2026-09-08-screenconnect-bulletin", Some("2026-09-08T00:00:00Z")),
            ("https://www.secretservice.gov/newsroom/releases/2025/09/slug", None),
            ("https://www.cisa.gov/news-events/ics-advisories/icsa-25-350-01", None),
            ("https://vendor.example/2025/99/99/x", None),
        ];
        for (url, expected) in table {
            let url = Url::parse(url).expect("an address");
            assert_eq!(from_path(&url).map(|at| at.to_string()).as_deref(), expected, "{url}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,60}") {
            let _ = parse(&text);
        }
    }
}
