//! `/deliveries`: did they get it.

use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::State;
use super::answer::{Named, private};
use super::caller::{Caller, Program};
use super::problem::Problem;
use super::query::{Asked, BEYOND, Kind, LIST, Nothing, Param, Params, cursor_at, described};
use super::shape::{ChannelWord, DeliveryStateWord, Instant, OutcomeWord};
use crate::model::clock::Timestamp;
use crate::model::tlp::Tlp;
use crate::store::outbox::{self, Try};
use crate::store::told::{self, Told};

/// After everything: no id is higher.
const END: (Timestamp, &str) = (Timestamp(i64::MAX), "~");

/// The routes.
pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one))
}

/// A message to one recipient by one channel.
#[derive(Serialize, ToSchema)]
struct Delivery {
    /// Its id, for good.
    id: String,
    /// The subscription that it goes to.
    subscription: String,
    /// The recipient's address; for a channel that is no mail, that of the person who answers for it.
    recipient: String,
    channel: ChannelWord,
    /// `alert` for one event, `digest`, `rollup` for several events at once, or a letter about the subscription itself.
    kind: String,
    /// The advisory that an alert tells of; null for other kinds, and where its label forbids to name it here.
    advisory: Option<ToldAdvisory>,
    state: DeliveryStateWord,
    /// Tries so far.
    #[schema(minimum = 0)]
    attempts: i64,
    /// When it was queued.
    created_at: Instant,
    /// When it was taken or given up; null while it is under way.
    finished_at: Option<Instant>,
    /// What happened last, for a person.
    detail: String,
}

/// An advisory that somebody was told of.
#[derive(Serialize, ToSchema)]
struct ToldAdvisory {
    /// Its id.
    id: String,
    /// Its title now.
    title: String,
}

/// A message with every try to deliver it.
#[derive(Serialize, ToSchema)]
struct DeliveryDetail {
    #[serde(flatten)]
    short: Delivery,
    /// The tries, the first one first.
    tries: Vec<DeliveryTry>,
}

/// A try to deliver.
#[derive(Serialize, ToSchema)]
struct DeliveryTry {
    /// From 1.
    #[schema(minimum = 1)]
    number: i64,
    /// When it began.
    started_at: Instant,
    /// When it ended; null where it is under way, or was cut short.
    finished_at: Option<Instant>,
    /// Null where it has not ended.
    outcome: Option<OutcomeWord>,
    /// What the other side said; null where it has not ended.
    detail: Option<String>,
}

impl Delivery {
    fn of(told: Told, caller: &Caller) -> Self {
        // What is stricter than members may see counts as the next stricter label.
        let label = if told.community { Tlp::Green } else { Tlp::Amber };
        let advisory = told.advisory.zip(told.title).filter(|_| caller.may_see(label));
        Self {
            id: told.id,
            subscription: told.subscription,
            recipient: told.to,
            channel: told.channel.as_str().into(),
            kind: told.kind,
            advisory: advisory.map(|(id, title)| ToldAdvisory { id, title }),
            state: told.state.as_str().into(),
            attempts: told.attempts,
            created_at: Instant(told.created_at),
            finished_at: told.finished_at.map(Instant),
            detail: told.detail,
        }
    }
}

impl From<Try> for DeliveryTry {
    fn from(one: Try) -> Self {
        Self {
            number: one.number,
            started_at: Instant(one.started_at),
            finished_at: one.finished_at.map(Instant),
            outcome: one.outcome.as_deref().map(OutcomeWord::from),
            detail: one.detail,
        }
    }
}

/// Which deliveries.
struct Which;

impl Params for Which {
    const ALL: &'static [Param] = &[
        Param {
            name: "state",
            kind: Kind::Word(&["queued", "sending", "sent", "dead", "suppressed"]),
            about: "In this state only.",
            example: "dead",
        },
        BEYOND,
        LIST,
    ];
}

impl IntoParams for Which {
    fn into_params(
        _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        described(Self::ALL)
    }
}

/// Deliveries, those queued last first.
#[derive(Serialize, ToSchema)]
struct DeliveryPage {
    /// The deliveries.
    items: Vec<Delivery>,
    /// The `cursor` of the next page; null where this is the last.
    next: Option<String>,
}

/// List the deliveries
///
/// To the organization's recipients, those queued last first.
#[utoipa::path(get, path = "/deliveries", tag = "Deliveries", operation_id = "listDeliveries", params(Which),
    responses((status = 200, description = "Deliveries.", body = DeliveryPage)), security(("token" = ["read"])))]
async fn list(
    Shared(state): Shared<State>,
    program: Program,
    asked: Asked<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (limit, (at, id), only) = (asked.limit(), asked.beyond(END), asked.owned("state"));
    let caller = program.caller();
    let read = state
        .0
        .context
        .store
        .read(move |tx| told::page(tx, program.organization(), only.as_deref(), (at, &id), limit + 1));
    let mut found = read.await.map_err(|error| Problem::fault(&error))?;
    let keep = usize::try_from(limit).unwrap_or_default();
    let more = found.len() > keep;
    found.truncate(keep);
    let next = found.last().filter(|_| more).map(|last| cursor_at(last.created_at, &last.id));
    let items = found.into_iter().map(|told| Delivery::of(told, &caller)).collect();
    private(&headers, &DeliveryPage { items, next })
}

/// Read a delivery
///
/// With every try, and what the other side said. What was told together with others has the tries of that message.
#[utoipa::path(get, path = "/deliveries/{id}", tag = "Deliveries", operation_id = "getDelivery",
    params(("id" = String, Path, description = "The delivery's id.", example = "alert-1-sub-1")),
    responses((status = 200, description = "The delivery.", body = DeliveryDetail)), security(("token" = ["read"])))]
async fn one(
    Shared(state): Shared<State>,
    program: Program,
    Named(id): Named,
    _: Asked<Nothing>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = program.caller();
    let read = state.0.context.store.read(move |tx| {
        let Some(told) = told::one(tx, program.organization(), &id)? else { return Ok(None) };
        Ok(outbox::told_by(tx, &id)?.map(|(_, tries)| (told, tries)))
    });
    let (told, tries) = read.await.map_err(|error| Problem::fault(&error))?.ok_or_else(Problem::absent)?;
    let tries = tries.into_iter().map(DeliveryTry::from).collect();
    private(&headers, &DeliveryDetail { short: Delivery::of(told, &caller), tries })
}
