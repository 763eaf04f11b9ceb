//! Suppression: addresses that are not mailed, and why.

use askama::Template;
use axum::extract::State as Shared;
use axum::response::IntoResponse;

use super::super::State;
use super::super::lines::When;
use super::super::person::{Operator, Sent};
use super::super::views::{Frame, html};
use super::{Answer, done, failed, refused};
use crate::jobs::audience;
use crate::model::address::EmailAddress;
use crate::model::text;
use crate::store::subscriptions::Ended;
use crate::store::{audit, suppressions};

/// Addresses shown.
const SHOWN: i64 = 500;
/// Longest reason, in characters.
const REASON: usize = 300;

#[derive(Template)]
#[template(path = "operator_suppression.html")]
struct Page {
    frame: Frame,
    csrf: String,
    /// Address, why, who said so, since when; and whether it can be lifted by its address.
    rows: Vec<(String, String, String, When, bool)>,
}

/// The newest suppressions.
pub(super) async fn show(Shared(state): Shared<State>, operator: Operator) -> Answer {
    let all = state.0.context.store.read(|tx| suppressions::newest(tx, SHOWN)).await.map_err(failed(&state))?;
    let row = |one: suppressions::Suppression| {
        let known = one.email.is_some();
        let shown = one.email.unwrap_or_else(|| "somebody who asked to be forgotten".to_owned());
        (shown, one.detail, one.said_by, When::at(one.at), known)
    };
    let page = Page {
        frame: state.frame_operator(&operator, "/operator/suppression"),
        csrf: operator.0.csrf.clone(),
        rows: all.into_iter().map(row).collect(),
    };
    Ok(html(&page).into_response())
}

/// Mails an address no more, or lets it be mailed again.
pub(super) async fn set(Shared(state): Shared<State>, Sent(operator, posted): Sent<Operator>) -> Answer {
    let email = EmailAddress::parse(&posted.one("email")).map_err(|why| refused(&state, &why))?;
    let because = text::truncate(&text::one_line(&posted.one("because")), REASON);
    let because = if because.is_empty() { "an operator decided so".to_owned() } else { because };
    let (lifts, now, secret) =
        (posted.one("do") == "lift", state.0.context.clock.now(), state.0.context.secret.clone());
    done(&state, "/operator/suppression", move |tx| {
        let (key, by) = (email.key(), operator.0.email());
        if lifts {
            if !suppressions::lift(tx, &audience::address_hash(&secret, &key))? {
                return Ok(Err(format!("{email} is not suppressed.")));
            }
            return audit::add(tx, &operator.0.deed("suppression lifted", email.as_str(), ""), now).map(Ok);
        }
        let ended = audience::suppress(tx, &secret, (email.as_str(), &key), (Ended::Removed, &because, by), now)?;
        let detail = format!("{because}; {ended} subscriptions ended");
        audit::add(tx, &operator.0.deed("address suppressed", email.as_str(), &detail), now).map(Ok)
    })
    .await
}
