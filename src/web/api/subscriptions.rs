//! `/subscriptions`: who is told what. Read only: people say themselves that they want to be mailed.

use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::State;
use super::answer::{Named, private};
use super::caller::Program;
use super::clients::{BEGINNING, Timed};
use super::problem::Problem;
use super::query::{Asked, Nothing, cursor_at};
use super::shape::{ChannelWord, FloorWord, Instant, PlatformId, RhythmWord, TopicWord, WeekdayWord};
use crate::model::audience::{self, weekday_name};
use crate::store::subscriptions;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one))
}

/// Who is told what, when and how.
#[derive(Serialize, ToSchema)]
struct Subscription {
    /// Its id, for good.
    #[schema(example = "sub-1")]
    id: String,
    channel: ChannelWord,
    /// The recipient's address; for a channel that is no mail, that of the person who answers for it.
    email: String,
    /// It hears of every advisory.
    everything: bool,
    /// The platforms that it chose.
    platforms: Vec<PlatformId>,
    /// Groups of platforms that it follows: `stack:org-1`, `stack:client-7`, `category:rmm`, `vendor:Kaseya`.
    follows: Vec<String>,
    /// What else it hears of, whichever platforms it touches.
    topics: Vec<TopicWord>,
    /// From whom alone it hears.
    only: Only,
    floor: FloorWord,
    /// It is told at once, from its floor on.
    instant: bool,
    /// When it is not to be woken, by its local clock; null for never.
    quiet_hours: Option<QuietHours>,
    digest: Digest,
    /// By whom and where consent was given.
    consent: String,
    /// When that was recorded.
    consent_at: Instant,
    /// When it was added.
    created_at: Instant,
}

/// From whom alone a subscription hears; an empty list limits nothing.
#[derive(Serialize, ToSchema)]
struct Only {
    /// These publishers.
    publishers: Vec<String>,
    /// Authorities of these countries.
    regions: Vec<String>,
}

/// When alerts wait.
#[derive(Serialize, ToSchema)]
struct QuietHours {
    /// The span of every local day.
    #[schema(example = "22:00-06:00")]
    span: String,
    /// What is critical and exploited is told all the same.
    pierced_by_exploited_and_critical: bool,
}

/// The summary.
#[derive(Serialize, ToSchema)]
struct Digest {
    every: RhythmWord,
    day: WeekdayWord,
    /// The local time of day.
    #[schema(example = "07:30")]
    at: String,
    /// The IANA name of the time zone.
    #[schema(example = "Europe/Berlin")]
    timezone: String,
    /// It comes even where there is nothing to say.
    all_clear: bool,
}

impl From<audience::Subscription> for Subscription {
    fn from(one: audience::Subscription) -> Self {
        let wish = one.wish;
        Self {
            id: one.id,
            channel: one.channel.as_str().into(),
            email: one.email,
            everything: wish.everything,
            platforms: wish.platforms.into_iter().map(|id| PlatformId(id.0)).collect(),
            follows: wish.follows.iter().map(ToString::to_string).collect(),
            topics: wish.topics.iter().map(|topic| topic.as_str().into()).collect(),
            only: Only { publishers: wish.only.publishers, regions: wish.only.regions },
            floor: wish.floor.as_str().into(),
            instant: wish.instant,
            quiet_hours: wish
                .quiet
                .map(|quiet| QuietHours { span: quiet.to_string(), pierced_by_exploited_and_critical: quiet.pierce }),
            digest: Digest {
                every: wish.digest.every.as_str().into(),
                day: weekday_name(wish.digest.day).into(),
                at: wish.digest.at.strftime("%H:%M").to_string(),
                timezone: wish.digest.timezone,
                all_clear: wish.digest.all_clear,
            },
            consent: one.consent,
            consent_at: Instant(one.consent_at),
            created_at: Instant(one.created_at),
        }
    }
}

/// Subscriptions, in the order in which they were added.
#[derive(Serialize, ToSchema)]
struct SubscriptionPage {
    /// The subscriptions.
    items: Vec<Subscription>,
    /// The `cursor` of the next page; null where this is the last.
    next: Option<String>,
}

/// List the subscriptions
///
/// Those of the organization that are active. They are made and changed on the pages and by mailed links, where consent is
/// asked for and kept, and not here. Where a channel delivers to and what it signs with is not shown.
#[utoipa::path(get, path = "/subscriptions", tag = "Subscriptions", operation_id = "listSubscriptions", params(Timed),
    responses((status = 200, description = "Subscriptions.", body = SubscriptionPage)), security(("token" = ["read"])))]
async fn list(
    Shared(state): Shared<State>,
    program: Program,
    asked: Asked<Timed>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (limit, (at, id)) = (asked.limit(), asked.beyond(BEGINNING));
    let read = state
        .0
        .context
        .store
        .read(move |tx| subscriptions::page_of_organization(tx, program.organization(), (at, &id), limit + 1));
    let mut found = read.await.map_err(|error| Problem::fault(&error))?;
    let keep = usize::try_from(limit).unwrap_or_default();
    let more = found.len() > keep;
    found.truncate(keep);
    let next = found.last().filter(|_| more).map(|last| cursor_at(last.created_at, &last.id));
    private(&headers, &SubscriptionPage { items: found.into_iter().map(Subscription::from).collect(), next })
}

/// Read a subscription
#[utoipa::path(get, path = "/subscriptions/{id}", tag = "Subscriptions", operation_id = "getSubscription",
    params(("id" = String, Path, description = "The subscription's id.", example = "sub-1")),
    responses((status = 200, description = "The subscription.", body = Subscription)), security(("token" = ["read"])))]
async fn one(
    Shared(state): Shared<State>,
    program: Program,
    Named(id): Named,
    _: Asked<Nothing>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let read = state
        .0
        .context
        .store
        .read(move |tx| Ok(subscriptions::get(tx, &id)?.filter(|one| one.organization == program.organization())));
    let found = read.await.map_err(|error| Problem::fault(&error))?.ok_or_else(Problem::absent)?;
    private(&headers, &Subscription::from(found))
}
