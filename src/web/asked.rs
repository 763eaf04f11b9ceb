//! What a search asks for: read from an address that can be shared, and written into one.

use url::form_urlencoded::Serializer;

use crate::jobs::Context;
use crate::model::clock::Timestamp;
use crate::model::search::Query;
use crate::model::severity::Severity;
use crate::model::topic::Topic;
use crate::store::listing::Filter;

/// Longest value of a field, in bytes.
const LONGEST: usize = 400;

/// The fields of a search, as an address has them. Each may be empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// Words, as [`Query::parse`] reads them.
    pub(super) q: String,
    /// A platform's id.
    pub(super) platform: String,
    /// The least severity.
    pub(super) severity: String,
    /// A topic's word.
    pub(super) topic: String,
    /// A source's id, or a publisher.
    pub(super) source: String,
    /// Revised on or after this day.
    pub(super) since: String,
    /// `yes`: exploited only.
    pub(super) exploited: bool,
    /// Advisories with lower numbers only: the pages after the first.
    pub(super) after: i64,
}

impl Asked {
    /// Reads the query of an address; of a field that comes several times, the last counts.
    pub(super) fn read(query: Option<&str>) -> Self {
        let mut asked = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let value = value.chars().filter(|c| !c.is_control()).collect::<String>();
            let value = value.trim();
            let value = value[..value.floor_char_boundary(LONGEST)].to_owned();
            match name.as_ref() {
                "q" => asked.q = value,
                "platform" => asked.platform = value,
                "severity" => asked.severity = value,
                "topic" => asked.topic = value,
                "source" => asked.source = value,
                "since" => asked.since = value,
                "exploited" => asked.exploited = matches!(value.as_str(), "yes" | "true" | "on" | "1"),
                "after" => asked.after = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        asked
    }

    /// The filter that it means, of what anybody may read.
    ///
    /// # Errors
    /// Says which field is not understood, and what it may be.
    pub(super) fn filter(&self, context: &Context) -> Result<Filter, String> {
        let word = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let platform = match word(&self.platform) {
            Some(id) if context.catalog.get(&id).is_none() => {
                let close = context.catalog.closest(&id).map(|close| format!(" Did you mean {close}?"));
                return Err(format!("There is no platform '{id}'.{}", close.unwrap_or_default()));
            }
            known => known,
        };
        let severity = match word(&self.severity) {
            None => None,
            Some(said) => Some(
                said.parse::<Severity>()
                    .map_err(|_| format!("'{said}' is no severity; there are low, medium, high and critical."))?,
            ),
        };
        let topic = match word(&self.topic) {
            None => None,
            Some(said) => Some(said.parse::<Topic>().map_err(|error| format!("{error}."))?),
        };
        let since = match word(&self.since) {
            None => None,
            Some(said) => Some(day(&said).ok_or_else(|| format!("'{said}' is no date such as 2026-11-01."))?),
        };
        Ok(Filter {
            query: Query::parse(&self.q),
            since,
            platform,
            topic,
            severity: severity.filter(|least| *least > Severity::Low),
            exploited: self.exploited,
            source: word(&self.source),
            public: true,
            newest_first: true,
            after: (self.after > 0).then_some(self.after),
            ..Filter::default()
        })
    }

    /// The address of the same search in another `room`, from `after` on.
    pub(super) fn address(&self, room: &str, after: i64) -> String {
        let mut query = Serializer::new(String::new());
        for (name, value) in [
            ("q", &self.q),
            ("platform", &self.platform),
            ("severity", &self.severity),
            ("topic", &self.topic),
            ("source", &self.source),
            ("since", &self.since),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        if self.exploited {
            query.append_pair("exploited", "yes");
        }
        if after > 0 {
            query.append_pair("after", &after.to_string());
        }
        let query = query.finish();
        if query.is_empty() { room.to_owned() } else { format!("{room}?{query}") }
    }
}

/// The beginning of a day in UTC.
fn day(text: &str) -> Option<Timestamp> {
    let day = text.parse::<jiff::civil::Date>().ok()?;
    Some(Timestamp::from_jiff(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written_back() {
        let asked = Asked::read(Some("q=remote+%22code%22&severity=high&exploited=yes&after=12&who=me&q=veeam%00"));
        assert_eq!((asked.q.as_str(), asked.exploited, asked.after), ("veeam", true, 12));
        assert_eq!(asked.address("/advisories", 7), "/advisories?q=veeam&severity=high&exploited=yes&after=7");
        assert_eq!(Asked::read(None).address("/advisories", 0), "/advisories");
        let long = Asked::read(Some(&format!("q={}", "ü".repeat(10_000))));
        assert!(long.q.len() <= LONGEST);
    }
}
