//! Queries: the parameters of an address, described once, from which the document is made and by which they are read.
//!
//! Nothing is guessed: a parameter that is unknown, sent twice or cannot be understood is refused by its name.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, RawQuery};
use axum::http::request::Parts;
use serde_json::{Value, json};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{Ref, RefOr, Required, Schema};

use super::super::State;
use super::problem::{FieldError, Problem};
use super::shape::{ADVISORY_PATTERN, is_advisory};
use crate::jobs::Context;
use crate::model::clock::Timestamp;
use crate::model::topic::Topic;

/// Most entries in one answer, and how many there are where nothing is said.
pub(super) const LIMIT_MAX: i64 = 100;
const LIMIT: i64 = 30;
/// Longest search, in characters.
const TEXT_MAX: usize = 400;
/// Longest id in a cursor.
const ID_MAX: usize = 200;

/// What a parameter can be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Words to search by.
    Text,
    /// A platform of the catalog.
    Platform,
    /// A source's id, or a publisher.
    Source,
    /// The id of an advisory, which need not exist.
    Advisory,
    /// One of a few words.
    Word(&'static [&'static str]),
    /// A topic's word.
    Topic,
    /// `true` or `false`.
    Flag,
    /// A day or an instant.
    Since,
    /// Where the page before this one ended, by its last entry's number.
    Number,
    /// The same, by its last entry's instant and id.
    Place,
    /// How many entries.
    Limit,
}

/// A parameter of an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) about: &'static str,
    pub(super) example: &'static str,
}

/// The parameters that every list has.
pub(super) const LIST: Param = Param {
    name: "limit",
    kind: Kind::Limit,
    about: "How many entries at most; 30 where nothing is said.",
    example: "50",
};

/// Where a list goes on, for lists by number.
pub(super) const AFTER: Param = Param {
    name: "cursor",
    kind: Kind::Number,
    about: "`next` of the answer before this one, as it stands. What it holds may change.",
    example: "000000000000002a",
};

/// Where a list goes on, for lists by time.
pub(super) const BEYOND: Param = Param { kind: Kind::Place, example: "00064df4a3b2c000.client-7", ..AFTER };

impl Kind {
    fn schema(self) -> Value {
        match self {
            Self::Text => {
                json!({"type": "string", "maxLength": TEXT_MAX, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"})
            }
            Self::Platform => json!({"$ref": "#/components/schemas/PlatformId"}),
            Self::Source => json!({"$ref": "#/components/schemas/SourceName"}),
            Self::Advisory => json!({"type": "string", "pattern": ADVISORY_PATTERN}),
            Self::Word(words) => json!({"type": "string", "enum": words}),
            Self::Topic => json!({"type": "string", "enum": Topic::ALL.map(Topic::as_str)}),
            Self::Flag => json!({"type": "boolean"}),
            Self::Since => {
                json!({"oneOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]})
            }
            Self::Number => json!({"type": "string", "pattern": "^[0-9a-f]{16}$"}),
            Self::Place => {
                json!({"type": "string", "pattern": format!("^[0-9a-f]{{16}}[.][A-Za-z0-9:_.-]{{1,{ID_MAX}}}$")})
            }
            Self::Limit => json!({"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT}),
        }
    }

    /// What is wrong with a value; nothing where it can be taken.
    fn fault(self, value: &str, context: &Context) -> Option<String> {
        let closest = |close: Option<&str>| close.map(|close| format!(" Did you mean {close}?")).unwrap_or_default();
        match self {
            Self::Text if value.chars().count() > TEXT_MAX => Some(format!("It has at most {TEXT_MAX} characters.")),
            Self::Text => None,
            Self::Platform if context.catalog.get(value).is_some() => None,
            Self::Platform => Some(format!("There is no such platform.{}", closest(context.catalog.closest(value)))),
            Self::Source if context.sources.iter().any(|one| one.id == value || one.publisher == value) => None,
            Self::Source => Some("There is no such source or publisher; /api/v1/sources lists them.".to_owned()),
            Self::Advisory => (!is_advisory(value)).then(|| "It is the id of an advisory, such as RW-42.".to_owned()),
            Self::Word(words) => (!words.contains(&value)).then(|| format!("It is one of {}.", words.join(", "))),
            Self::Topic if value.parse::<Topic>().is_ok_and(|topic| topic.as_str() == value) => None,
            Self::Topic => Some(format!("It is one of {}.", Topic::ALL.map(Topic::as_str).join(", "))),
            Self::Flag => (!matches!(value, "true" | "false")).then(|| "It is true or false.".to_owned()),
            Self::Since => since(value)
                .is_none()
                .then(|| "It is a day such as 2026-11-01, or an instant such as 2026-11-01T08:00:00Z.".to_owned()),
            Self::Number | Self::Place => {
                let fits = if matches!(self, Self::Number) { number(value).is_some() } else { place(value).is_some() };
                (!fits).then(|| "It is `next` of an answer to the same request.".to_owned())
            }
            Self::Limit => limit(value).is_none().then(|| format!("It is a number from 1 to {LIMIT_MAX}.")),
        }
    }
}

/// How the document describes them.
pub(super) fn described(params: &[Param]) -> Vec<Parameter> {
    let one = |param: &Param| {
        let schema = param.kind.schema();
        let schema: Option<RefOr<Schema>> = match schema.get("$ref").and_then(Value::as_str) {
            Some(target) => Some(RefOr::Ref(Ref::new(target))),
            None => serde_json::from_value(schema).ok().map(RefOr::T),
        };
        ParameterBuilder::new()
            .name(param.name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(param.about))
            .schema(schema)
            .example(Some(match param.kind {
                Kind::Limit => param.example.parse::<i64>().map_or(Value::Null, Value::from),
                Kind::Flag => Value::Bool(param.example == "true"),
                _ => Value::from(param.example),
            }))
            .build()
    };
    params.iter().map(one).collect()
}

/// Parameters that an address may have.
pub(super) trait Params {
    const ALL: &'static [Param];
}

/// No parameter at all.
pub(super) struct Nothing;

impl Params for Nothing {
    const ALL: &'static [Param] = &[];
}

/// The parameters of an address, each known and valid.
pub(super) struct Asked<P> {
    values: BTreeMap<&'static str, String>,
    /// The query as it was sent.
    pub(super) raw: String,
    of: std::marker::PhantomData<fn() -> P>,
}

impl<P> Asked<P> {
    /// The value of a parameter that was sent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    pub(super) fn limit(&self) -> i64 {
        self.get(LIST.name).and_then(limit).unwrap_or(LIMIT)
    }

    /// The number after which the list goes on.
    pub(super) fn after(&self) -> Option<i64> {
        self.get(AFTER.name).and_then(number)
    }

    /// The instant and id beyond which the list goes on; `first` where it begins.
    pub(super) fn beyond(&self, first: (Timestamp, &str)) -> (Timestamp, String) {
        let found = self.get(BEYOND.name).and_then(place);
        found.unwrap_or_else(|| (first.0, first.1.to_owned()))
    }
}

impl<P: Params> FromRequestParts<State> for Asked<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let RawQuery(raw) = RawQuery::from_request_parts(parts, state).await.unwrap_or(RawQuery(None));
        read(raw.unwrap_or_default(), P::ALL, &state.0.context).map(|(values, raw)| Self {
            values,
            raw,
            of: std::marker::PhantomData,
        })
    }
}

type Values = BTreeMap<&'static str, String>;

fn read(raw: String, params: &[Param], context: &Context) -> Result<(Values, String), Problem> {
    let (mut values, mut broken, mut wrong) = (Values::new(), Vec::new(), Vec::new());
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
            broken.push(FieldError::new(&shown(name), "It is not UTF-8, or holds control characters."));
            continue;
        };
        let Some(param) = params.iter().find(|param| param.name == name) else {
            let known: Vec<&str> = params.iter().map(|param| param.name).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            broken.push(FieldError::new(&shown(&name), format!("There is no such parameter here ({known}).")));
            continue;
        };
        if let Some(fault) = param.kind.fault(&value, context) {
            wrong.push(FieldError::new(param.name, fault));
        }
        if values.insert(param.name, value).is_some() {
            broken.push(FieldError::new(param.name, "It is sent more than once."));
        }
    }
    match (broken.is_empty(), wrong.is_empty()) {
        (false, _) => Err(Problem::parameters(broken)),
        (true, false) => Err(Problem::values(wrong)),
        (true, true) => Ok((values, raw)),
    }
}

/// A name as a problem repeats it.
fn shown(name: &str) -> String {
    crate::model::text::truncate(&crate::model::text::one_line(name), 80)
}

/// A part of a query as text: UTF-8 without control characters.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (rest.next()?, rest.next()?);
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(high)? << 4 | digit(low)?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

fn limit(value: &str) -> Option<i64> {
    let plain = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|limit| plain && (1..=LIMIT_MAX).contains(limit))
}

/// A day's beginning in UTC, or an instant (RFC 3339 section 5.6).
pub(super) fn since(value: &str) -> Option<Timestamp> {
    let day: jiff::civil::Date = value.get(..10).filter(|day| is_like(day, "0000-00-00"))?.parse().ok()?;
    if value.len() == 10 {
        let start = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        return Some(Timestamp::from_jiff(start.timestamp()));
    }
    let time = value.get(10..19).filter(|time| is_like(&time.to_ascii_uppercase(), "T00:00:00"))?;
    let rest = &value[19..];
    let digits = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    if rest.starts_with('.') && digits == 0 {
        return None;
    }
    let zone = rest.get(if digits > 0 { digits + 1 } else { 0 }..)?.to_ascii_uppercase();
    if zone != "Z" && !is_like(&zone, "+00:00") && !is_like(&zone, "-00:00") {
        return None;
    }
    // More digits than are kept say nothing.
    let fraction = if digits > 0 { rest.get(..=digits.min(6)).unwrap_or_default() } else { "" };
    let instant: Result<jiff::Timestamp, _> = format!("{day}{time}{fraction}{zone}").to_ascii_uppercase().parse();
    Some(Timestamp::from_jiff(
        instant
            .or_else(|error| {
                // What lies beyond the last instant that can be kept is later than anything.
                let far = day.year() >= 9999 && format!("{day}{time}").parse::<jiff::civil::DateTime>().is_ok();
                if far { Ok(jiff::Timestamp::MAX) } else { Err(error) }
            })
            .ok()?,
    ))
}

/// Whether a text is like a pattern whose zeros stand for digits.
fn is_like(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text
            .bytes()
            .zip(pattern.bytes())
            .all(|(byte, like)| if like == b'0' { byte.is_ascii_digit() } else { byte == like })
}

fn hex(value: &str) -> Option<i64> {
    let plain = value.len() == 16 && value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| u64::from_str_radix(value, 16).ok()).flatten().map(u64::cast_signed)
}

fn number(value: &str) -> Option<i64> {
    hex(value)
}

fn place(value: &str) -> Option<(Timestamp, String)> {
    let (at, id) = value.split_once('.')?;
    let plain = (1..=ID_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'.' | b'-'));
    plain.then(|| hex(at)).flatten().map(|at| (Timestamp(at), id.to_owned()))
}

/// The cursor of a list by number.
pub(super) fn cursor(number: i64) -> String {
    format!("{:016x}", number.cast_unsigned())
}

/// The cursor of a list by time.
pub(super) fn cursor_at(at: Timestamp, id: &str) -> String {
    format!("{}.{id}", cursor(at.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_that_is_written_is_read_back() {
        for number_of in [0, 1, 42, i64::MAX, -1, i64::MIN] {
            assert_eq!(number(&cursor(number_of)), Some(number_of));
            let at = Timestamp(number_of);
            assert_eq!(place(&cursor_at(at, "alert-7-sub-1")), Some((at, "alert-7-sub-1".to_owned())));
        }
        for wrong in ["", "2a", "000000000000002A", "+00000000000002a", "00000000000000000"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
        for wrong in ["000000000000002a", "000000000000002a.", "000000000000002a.a b", "000000000000002a.ü"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn days_and_instants_are_read_as_rfc_3339_writes_them() {
        let seconds = |text| since(text).map(Timestamp::seconds);
        assert_eq!(seconds("2026-11-01"), Some(1_793_491_200));
        assert_eq!(seconds("2026-11-01T00:00:00Z"), Some(1_793_491_200));
        assert_eq!(seconds("2026-11-01t01:30:00.123456789+01:30"), Some(1_793_491_200));
        assert!(seconds("9999-12-31T23:59:59-23:59").is_some() && seconds("0000-01-01").is_some());
        for wrong in [
            "",
            "2026-11-1",
            "20261101",
            "2026-02-30",
            "2026-11-01T",
            "2026-11-01T00:00Z",
            "2026-11-01T00:00:00",
            "2026-11-01T00:00:00.Z",
            "2026-11-01 00:00:00Z",
            "2026-11-01T25:00:00Z",
            "+2026-11-01",
            "2026-11-01T00:00:00Zx",
            "2026-11-üü",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn parts_of_a_query_are_decoded_or_refused() {
        assert_eq!(decoded("a+b%20%C3%BC").as_deref(), Some("a b ü"));
        for wrong in ["%", "%4", "%zz", "%00", "%1b", "%ff", "%c2%85", "%+1"] {
            assert_eq!(decoded(wrong), None, "{wrong}");
        }
    }
}
