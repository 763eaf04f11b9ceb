//! Shapes: what every answer of the API is made of. They are not what is stored, so that storage can change without them.

use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::model::clock::Timestamp;
use crate::model::facts;

/// An instant in UTC (RFC 3339).
#[derive(Clone, Copy, Debug)]
pub(super) struct Instant(pub(super) Timestamp);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl PartialSchema for Instant {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let text = text.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
        text.description(Some("An instant in UTC (RFC 3339).")).examples(["2026-11-23T07:30:00Z"]).into()
    }
}

impl ToSchema for Instant {}

/// Makes a type of each set of words, as the document shows it.
macro_rules! words {
    ($($(#[doc = $about:literal])+ $name:ident: $($word:literal),+;)+) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug, Serialize)]
            pub(super) struct $name(String);

            impl From<&str> for $name {
                fn from(word: &str) -> Self {
                    Self(word.to_owned())
                }
            }

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([$($word),+]));
                    words.description(Some([$($about.trim()),+].join(" "))).into()
                }
            }

            impl ToSchema for $name {}
        )+
    };
}

words! {
    /// How bad it is. `unknown` means that nobody has said, which is not low.
    SeverityWord: "unknown", "low", "medium", "high", "critical";
    /// A flaw in a product, or a warning of what attackers do.
    AdvisoryKindWord: "vulnerability", "alert";
    /// How far it may travel (Traffic Light Protocol 2.0). What is stricter is not shown here.
    TlpWord: "CLEAR", "GREEN";
    /// Whether a platform is touched, or merely named.
    RoleWord: "affected", "mentioned";
    /// Which part of an advisory says so.
    FieldWord: "title", "text", "product", "source", "link";
    /// Who is believed first.
    AuthorityWord: "vendor", "cna", "adp", "other", "kev";
    /// Why people were told.
    EventWord: "published", "updated", "escalated", "corrected", "withdrawn";
    /// Whether a source can be read. `new`: not tried yet. `late`: it answers, and has been silent for too long.
    /// `standby`: read only while another cannot be.
    HealthWord: "new", "ok", "degraded", "changed", "blocked", "failing", "late", "paused", "off", "standby";
    /// Who speaks in a source.
    SourceKindWord: "government", "vendor", "database", "research";
    /// What a platform is for.
    CategoryWord: "rmm", "psa", "remote-access", "backup-bcdr", "edr-av-mdr", "email-security", "firewall-network", "vpn-gateway", "identity-password", "monitoring", "virtualization", "storage-nas", "documentation", "voip-collab", "os-productivity", "web-cms", "vendor";
    /// What an advisory is about beside products.
    TopicWord: "msp", "ransomware", "supply-chain", "remote-access", "identity", "email", "backup";
    /// How urgent an advisory must be to be told at once.
    FloorWord: "all", "medium", "high", "critical", "exploited";
    /// How often the summary comes.
    RhythmWord: "none", "daily", "weekly";
    /// A day of the week.
    WeekdayWord: "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday";
    /// By which way it goes.
    ChannelWord: "email", "ticket", "webhook", "slack", "teams", "ntfy";
    /// `queued`: it waits. `sending`: under way. `sent`: the mail server or channel took it. `dead`: given up, a person
    /// must look. `suppressed`: no longer wanted. `rolled`: told in a message with others.
    DeliveryStateWord: "queued", "sending", "sent", "dead", "suppressed", "rolled";
    /// What was done about an advisory. `acknowledged`: somebody looks after it. `mitigated`: patched, or a workaround is in
    /// place. `not_affected`: it does not apply. `accepted`: the risk is borne. `reopened`: what was said no longer holds.
    ResponseWord: "acknowledged", "mitigated", "not_affected", "accepted", "reopened";
    /// `sent`: taken. `later`: to be tried again. `never`: refused for good. `ambiguous`: perhaps taken; it was not said.
    OutcomeWord: "sent", "later", "never", "ambiguous";
}

/// A platform by its id in the catalog.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PlatformId(pub(super) String);

// The document of a running program names the ids of its catalog.
impl PartialSchema for PlatformId {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).into()
    }
}

impl ToSchema for PlatformId {}

/// What an advisory's id is made of.
pub(super) const ADVISORY_PATTERN: &str = "^RW-[1-9][0-9]{0,17}$";

/// Whether a text can be the id of an advisory ([`ADVISORY_PATTERN`]).
pub(super) fn is_advisory(text: &str) -> bool {
    let number = text.strip_prefix("RW-").unwrap_or_default().as_bytes();
    (1..=18).contains(&number.len()) && number[0] != b'0' && number.iter().all(u8::is_ascii_digit)
}

/// The id of an advisory.
pub(super) struct AdvisoryName;

impl PartialSchema for AdvisoryName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(ADVISORY_PATTERN)).into()
    }
}

impl ToSchema for AdvisoryName {}

/// Who states something, and where.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Origin {
    /// The name of the source, or of whoever speaks in it.
    name: String,
    /// The page; null where there is none.
    url: Option<String>,
}

impl From<&facts::Origin> for Origin {
    fn from(origin: &facts::Origin) -> Self {
        Self { name: origin.name.clone(), url: unless_empty(&origin.url) }
    }
}

/// Words, and who says them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Stated {
    /// The words.
    text: String,
    /// Who says them.
    by: Origin,
}

impl From<&facts::Stated> for Stated {
    fn from(stated: &facts::Stated) -> Self {
        Self { text: stated.text.clone(), by: (&stated.by).into() }
    }
}

/// A text; nothing where it says nothing.
pub(super) fn unless_empty(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sources::SourceKind;
    use crate::model::audience::{Floor, WEEKDAYS};
    use crate::model::channel::ChannelKind;
    use crate::model::response::ResponseState;
    use crate::model::severity::Severity;
    use crate::model::topic::Topic;
    use crate::platforms::Category;

    fn words<T: PartialSchema>() -> Vec<String> {
        let schema = serde_json::to_value(T::schema()).expect("JSON");
        let words = schema["enum"].as_array().expect("words").iter();
        words.filter_map(|word| word.as_str().map(str::to_owned)).collect()
    }

    #[test]
    fn ids_of_advisories_are_told_from_other_texts() {
        assert!(["RW-1", "RW-42", "RW-999999999999999999"].iter().all(|id| is_advisory(id)));
        for wrong in ["", "RW-", "RW-0", "RW-01", "rw-1", "RW-1 ", "RW--1", "RW-1000000000000000000", "1"] {
            assert!(!is_advisory(wrong), "{wrong}");
        }
    }

    #[test]
    fn the_words_are_those_of_the_program() {
        let ranks = (0..5).map(|rank| Severity::of_rank(rank).as_str());
        assert_eq!(words::<SeverityWord>(), ranks.collect::<Vec<_>>());
        assert_eq!(words::<CategoryWord>(), Category::ALL.map(Category::as_str));
        assert_eq!(words::<TopicWord>(), Topic::ALL.map(Topic::as_str));
        assert_eq!(words::<FloorWord>(), Floor::ALL.map(Floor::as_str));
        assert_eq!(words::<SourceKindWord>(), SourceKind::ALL.map(SourceKind::as_str));
        assert_eq!(words::<WeekdayWord>(), WEEKDAYS.map(|(_, name)| name));
        assert_eq!(words::<ResponseWord>(), ResponseState::ALL.map(ResponseState::as_str));
        assert_eq!(words::<ChannelWord>(), ChannelKind::ALL.map(ChannelKind::as_str));
    }
}
