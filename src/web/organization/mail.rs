//! Mail and channels: who of an organization is told, of what, by which way; with a test for each.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::response::IntoResponse;

use super::super::State;
use super::super::person::{Place, Sent};
use super::super::views::{Frame, html};
use super::{Answer, absent, back, failed, refused};
use crate::jobs::audience::{self, Known, Saved, Written, described};
use crate::jobs::{endpoints, letters};
use crate::model::address::EmailAddress;
use crate::model::audience::{Floor, Owner, Role, Subscription};
use crate::model::channel::{ChannelKind, Endpoint};
use crate::model::clock::Timestamp;
use crate::store::subscriptions::{self, Ended, Recipient};
use crate::store::{StoreError, Tx, audit, deliveries, organizations, told};

/// How far back it is told what came of mails, and most of them.
const NEWEST: i64 = 200;
/// Two tests of one channel are at least so far apart.
const APART: Duration = Duration::from_secs(60);

/// A subscription as the page shows it.
struct Row {
    id: String,
    channel: &'static str,
    to: String,
    wish: String,
    last: String,
    /// Where its recipient, and nobody else, changes it.
    own: String,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Mail {
    frame: Frame,
    base: String,
    csrf: String,
    may_edit: bool,
    may_test: bool,
    rows: Vec<Row>,
    channels: Vec<&'static str>,
    floors: Vec<&'static str>,
    email: String,
    said: String,
}

/// Every subscription of the organization.
pub(in super::super) async fn show(Shared(state): Shared<State>, place: Place) -> Answer {
    page(&state, &place, String::new()).await
}

async fn page(state: &State, place: &Place, said: String) -> Answer {
    let organization = place.id().to_owned();
    let name = place.here.name.clone();
    let read = state.0.context.store.read(move |tx| {
        let mut rows = Vec::new();
        let newest = told::newest(tx, &organization, None, Timestamp(i64::MAX), NEWEST)?;
        for one in subscriptions::of_organization(tx, &organization)? {
            let wish = named(tx, &one, &organization, &name)?;
            let place = subscriptions::endpoint(tx, &one.id)?;
            let last = newest.iter().find(|told| told.subscription == one.id);
            rows.push((wish, place.map(|place| endpoints::shown(&place)), last.map(|told| told.state.clone()), one));
        }
        Ok(rows)
    });
    let all = read.await.map_err(failed(state))?;
    let row = |(wish, endpoint, last, one): (String, Option<String>, Option<String>, Subscription)| Row {
        own: if one.email == place.person.email() && one.channel.is_mail() {
            format!("/p/{}", letters::signed(&state.0.context.secret, "preferences", &one.id))
        } else {
            String::new()
        },
        channel: one.channel.as_str(),
        to: endpoint.map_or_else(|| one.email.clone(), |place| format!("{place} (owner {})", one.email)),
        wish,
        last: last.unwrap_or_else(|| "nothing yet".to_owned()),
        id: one.id,
    };
    let page = Mail {
        frame: state.frame_at(place, "/mail"),
        base: place.url(""),
        csrf: place.person.csrf.clone(),
        may_edit: place.may(Role::Owner),
        may_test: place.may(Role::Technician),
        rows: all.into_iter().map(row).collect(),
        channels: ChannelKind::ALL.map(ChannelKind::as_str).to_vec(),
        floors: Floor::ALL.map(Floor::as_str).to_vec(),
        email: place.person.email().to_owned(),
        said,
    };
    Ok(html(&page).into_response())
}

/// What is wanted, with the names of stacks in place of their ids.
fn named(tx: &mut Tx<'_>, one: &Subscription, organization: &str, name: &str) -> Result<String, StoreError> {
    let mut text = described(&one.wish);
    for client in organizations::clients(tx, organization)? {
        text = text.replace(&format!("all that {} runs", client.id), &format!("all that {} runs", client.name));
    }
    Ok(text.replace(&format!("all that {organization} runs"), &format!("all that {name} and its clients run")))
}

/// Adds a way by which the organization hears of its whole stack.
pub(in super::super) async fn add(Shared(state): Shared<State>, Sent(place, posted): Sent<Place>) -> Answer {
    place.needs(&state, Role::Owner)?;
    let refuse = |why: String| refused(&state, &why);
    let channel: ChannelKind = posted.one("channel").parse().map_err(refuse)?;
    let email = EmailAddress::parse(&posted.one("email")).map_err(refuse)?;
    let (to, secret) = (posted.one("to"), Some(posted.one("secret")).filter(|secret| !secret.is_empty()));
    let mut endpoint = match channel.is_mail() {
        true if to.is_empty() => None,
        true => return Err(refuse(format!("{channel} goes to the mail address; leave the web address empty."))),
        false => Some(endpoints::checked(channel, Endpoint { url: to, secret }).map_err(refuse)?),
    };
    let context = state.0.context.clone();
    let key = audience::key(channel, &email, endpoint.as_ref());
    // What is made here is shown once.
    let mut fresh = None;
    if let Some(endpoint) = endpoint.as_mut().filter(|one| channel == ChannelKind::Webhook && one.secret.is_none()) {
        let made = audience::webhook_secret().map_err(failed(&state))?;
        endpoint.secret = Some(made.clone());
        fresh = Some(made);
    }
    let floor = posted.one("floor");
    let written = Written { stacks: vec![Owner(place.id().to_owned())], floor, ..Written::default() };
    let known = Known { catalog: &context.catalog, sources: &context.sources };
    let wish = written.wish(&known).map_err(refuse)?;
    let recipient =
        Recipient { organization: place.id().to_owned(), channel, email: email.as_str().to_owned(), key, endpoint };
    let (doer, now) = (place.clone(), context.clock.now());
    let write = state.0.context.store.write(move |tx| {
        let consent = format!("given outside Rattlewatch, entered by {} under Mail and channels", doer.person.email());
        let saved = audience::save(tx, &context.catalog, &context.secret, &recipient, &wish, &consent, now)?;
        if let Saved::Stored(id, _) = &saved {
            audit::add(tx, &doer.deed("subscription set", id, &format!("{channel}, owner {}", recipient.email)), now)?;
        }
        Ok(saved)
    });
    match (write.await.map_err(failed(&state))?, fresh) {
        (Saved::Suppressed(why), _) => {
            Err(refuse(format!("{email} is not mailed: {} on {}. Only its owner can change that.", why.detail, why.at)))
        }
        (Saved::Stored(..), None) => Ok(back(&place, "/mail")),
        (Saved::Stored(..), Some(secret)) => {
            let said = format!("Requests are signed with {secret} Keep it: it is not shown again.");
            page(&state, &place, said).await
        }
    }
}

/// The subscription that a path names, if it is of this organization.
fn found(tx: &mut Tx<'_>, place: &Place, id: &str) -> Result<Option<Subscription>, StoreError> {
    Ok(subscriptions::get(tx, id)?.filter(|one| one.organization == place.id()))
}

/// Sends a test by this way.
pub(in super::super) async fn test(
    Shared(state): Shared<State>,
    Path((_, id)): Path<(String, String)>,
    Sent(place, _): Sent<Place>,
) -> Answer {
    place.needs(&state, Role::Technician)?;
    let (doer, now) = (place.clone(), state.0.context.clock.now());
    let write = state.0.context.store.write(move |tx| {
        let Some(one) = found(tx, &doer, &id)? else { return Ok(None) };
        // The id makes a second one within a minute impossible.
        let slot = now.seconds() / i64::try_from(APART.as_secs()).unwrap_or(60);
        let delivery = format!("test-{}-{slot}", one.id);
        let queued = deliveries::queue_service(tx, letters::TEST, &delivery, &one.id, doer.person.email(), now)?;
        if queued {
            audit::add(tx, &doer.deed("test sent", &one.id, one.channel.as_str()), now)?;
        }
        Ok(Some(queued))
    });
    match write.await.map_err(failed(&state))? {
        None => Err(absent(&state)),
        Some(queued) => {
            state.0.context.queued.notify_one();
            let text = if queued {
                "A test is on its way. What came of it stands here within seconds."
            } else {
                "A test went out within the last minute. Look here for what came of it."
            };
            let link = place.url("/deliveries");
            Ok(state.message("Test", text, Some((&link, "To the deliveries"))).into_response())
        }
    }
}

/// Ends a subscription of the organization.
pub(in super::super) async fn end(
    Shared(state): Shared<State>,
    Path((_, id)): Path<(String, String)>,
    Sent(place, _): Sent<Place>,
) -> Answer {
    place.needs(&state, Role::Owner)?;
    let (doer, now) = (place.clone(), state.0.context.clock.now());
    let write = state.0.context.store.write(move |tx| {
        let Some(one) = found(tx, &doer, &id)? else { return Ok(false) };
        subscriptions::end(tx, &one.id, Ended::Removed, now)?;
        audit::add(tx, &doer.deed("subscription ended", &one.id, &format!("{}, {}", one.channel, one.email)), now)?;
        Ok(true)
    });
    if write.await.map_err(failed(&state))? { Ok(back(&place, "/mail")) } else { Err(absent(&state)) }
}
