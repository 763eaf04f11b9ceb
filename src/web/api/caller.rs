//! Caller: who asks, told by a bearer token (RFC 6750), and what it may see and do.
//!
//! A token that does not hold is refused and never taken for a stranger. No cookie counts here, so no other site can make a
//! browser do anything.

use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};

use super::super::State;
use super::super::guard::{Pace, Who, client_of};
use super::problem::Problem;
use crate::jobs::api_tokens;
use crate::model::api_token::{ApiToken, Scope};
use crate::model::tlp::Tlp;
use crate::store::audit::Deed;

/// Who asks: a program of an organization, or anybody.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) Option<ApiToken>);

impl Caller {
    /// Whether what bears this label is shown: TLP:CLEAR to everybody, TLP:GREEN to programs of members, more to nobody.
    /// The one place that decides; lists ask for [`Caller::most`].
    pub(super) fn may_see(&self, tlp: Tlp) -> bool {
        tlp <= self.most()
    }

    /// The strictest label that is shown.
    pub(super) fn most(&self) -> Tlp {
        if self.0.is_some() { Tlp::Green } else { Tlp::Clear }
    }

    /// How an answer may be kept by others.
    pub(super) fn kept(&self) -> &'static str {
        if self.0.is_some() { "private, no-cache" } else { "no-cache" }
    }
}

/// The text of a bearer token; nothing where none is sent.
fn bearer(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let Some(said) = sent.next() else { return Ok(None) };
    let token = said.to_str().ok().and_then(|said| {
        let (scheme, token) = said.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    match token {
        Some(token) if sent.next().is_none() => Ok(Some(token)),
        _ => Err(Problem::unauthorized("Send one token, as 'Authorization: Bearer rwt_...'.")),
    }
}

/// Counts a request of who has no token that holds.
fn count_stranger(parts: &Parts, state: &State) -> Result<(), Problem> {
    let client = client_of(&parts.extensions, &parts.headers, state);
    let taken = client.map(|client| state.0.posts.take(Who::Client(client), Pace::Strangers, Instant::now()));
    taken.unwrap_or(Ok(())).map_err(Problem::too_often)
}

impl FromRequestParts<State> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let refused = |problem| count_stranger(parts, state).and(Err(problem));
        let written = match bearer(&parts.headers) {
            Ok(Some(written)) => written,
            Err(problem) => return refused(problem),
            Ok(None) if state.0.context.web.public_pages => {
                return count_stranger(parts, state).map(|()| Self(None));
            }
            Ok(None) => return refused(Problem::unauthorized("This Rattlewatch is not public: send a token.")),
        };
        let (context, now) = (&state.0.context, state.0.context.clock.now());
        let read = context.store.read(move |tx| api_tokens::known(tx, &written, now)).await;
        let Some(token) = read.map_err(|error| Problem::fault(&error))? else {
            return refused(Problem::unauthorized("This token does not hold: it is unknown, expired or revoked."));
        };
        let paced = state.0.posts.take(Who::Token(token.id.clone()), Pace::Programs, Instant::now());
        paced.map_err(Problem::too_often)?;
        if api_tokens::is_due(&token, now) {
            let id = token.id.clone();
            // Who only reads is not refused because that cannot be kept.
            if let Err(error) = context.store.write(move |tx| api_tokens::seen(tx, &id, now)).await {
                tracing::warn!("The last use of {} cannot be kept: {error}", token.id);
            }
        }
        if !token.may(Scope::Read) {
            return Err(Problem::new(StatusCode::FORBIDDEN, "This token may not read."));
        }
        Ok(Self(Some(token)))
    }
}

/// A program of an organization. Everything that it asks for is limited to that organization.
#[derive(Clone, Debug)]
pub(super) struct Program(ApiToken);

impl Program {
    /// The organization's id, which every query is limited to.
    pub(super) fn organization(&self) -> &str {
        &self.0.organization
    }

    /// What it may see.
    pub(super) fn caller(&self) -> Caller {
        Caller(Some(self.0.clone()))
    }

    /// What the log calls it.
    pub(super) fn who(&self) -> String {
        format!("{} ({})", self.0.name, self.0.id)
    }

    /// Something that the program did.
    pub(super) fn deed<'a>(&'a self, who: &'a str, action: &'a str, object: &'a str, detail: &'a str) -> Deed<'a> {
        Deed { organization: self.organization(), who, action, object, detail }
    }
}

impl FromRequestParts<State> for Program {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let wanted = || Problem::unauthorized("This takes a token: 'Authorization: Bearer rwt_...'.");
        caller.0.map(Self).ok_or_else(wanted)
    }
}

/// A program that may change things.
#[derive(Clone, Debug)]
pub(super) struct Writer(pub(super) Program);

impl FromRequestParts<State> for Writer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let program = Program::from_request_parts(parts, state).await?;
        if program.0.may(Scope::Write) {
            return Ok(Self(program));
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "This token only reads; make one with the scope write."))
    }
}
