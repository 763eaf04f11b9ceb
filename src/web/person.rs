//! Person: who asks, told by the cookie of a session; and where they are, which decides what they may see.
//!
//! A page of an organization takes a [`Place`], a page of operators an [`Operator`], and a posted form comes as [`Sent`]:
//! no handler can forget to ask. Who does not belong to an organization learns nothing of it, not even that it exists.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::State;
use super::form::Posted;
use crate::jobs::{accounts, letters};
use crate::model::audience::Role;
use crate::store::accounts::{Membership, Session};
use crate::store::audit::Deed;

/// Who is signed in.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) session: Session,
    pub(super) operator: bool,
    pub(super) memberships: Vec<Membership>,
    /// What each form of the session bears, so that no other site can make one.
    pub(super) csrf: String,
}

impl Person {
    pub(super) fn email(&self) -> &str {
        &self.session.email
    }

    /// Something that the person did to the installation.
    pub(super) fn deed<'a>(&'a self, action: &'a str, object: &'a str, detail: &'a str) -> Deed<'a> {
        Deed { organization: "", who: self.email(), action, object, detail }
    }
}

/// Who carries a person.
pub(super) trait Signed {
    fn person(&self) -> &Person;
}

impl Signed for Person {
    fn person(&self) -> &Person {
        self
    }
}

/// A member in an organization, named by `{org}` in the page's address.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) person: Person,
    pub(super) here: Membership,
}

impl Signed for Place {
    fn person(&self) -> &Person {
        &self.person
    }
}

impl Place {
    /// The organization's id, which every query of its pages is limited to.
    pub(super) fn id(&self) -> &str {
        &self.here.organization
    }

    /// The address of a page of this organization.
    pub(super) fn url(&self, rest: &str) -> String {
        format!("/o/{}{rest}", self.here.organization)
    }

    /// Whether the person may do what takes a role.
    pub(super) fn may(&self, role: Role) -> bool {
        self.here.role >= role
    }

    /// Something that the person did here.
    pub(super) fn deed<'a>(&'a self, action: &'a str, object: &'a str, detail: &'a str) -> Deed<'a> {
        Deed { organization: self.id(), ..self.person.deed(action, object, detail) }
    }

    /// Refuses what takes a higher role than the person's.
    #[expect(clippy::result_large_err, reason = "an answer is what a handler gives back")]
    pub(super) fn needs(&self, state: &State, role: Role) -> Result<(), Response> {
        if self.may(role) {
            return Ok(());
        }
        let message = format!(
            "This takes the role {role}; in {} you are {}. An owner can change that under People.",
            self.here.name, self.here.role
        );
        Err(state.problem(StatusCode::FORBIDDEN, &message).into_response())
    }
}

/// Somebody who runs this installation.
#[derive(Clone, Debug)]
pub(super) struct Operator(pub(super) Person);

impl Signed for Operator {
    fn person(&self) -> &Person {
        &self.0
    }
}

/// A posted form of somebody who is signed in, whose session it bears.
pub(super) struct Sent<P>(pub(super) P, pub(super) Posted);

impl FromRequestParts<State> for Person {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        match person(state, &parts.headers).await? {
            Some(person) => Ok(person),
            None if parts.method == Method::GET => {
                let next: String = url::form_urlencoded::byte_serialize(parts.uri.path().as_bytes()).collect();
                Err(Redirect::to(&format!("/sign-in?next={next}")).into_response())
            }
            None => {
                let message = "You are not signed in any more, so nothing was done. Sign in and try again.";
                Err(state.problem(StatusCode::UNAUTHORIZED, message).into_response())
            }
        }
    }
}

impl FromRequestParts<State> for Place {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let person = Person::from_request_parts(parts, state).await?;
        let params = RawPathParams::from_request_parts(parts, state).await;
        let named =
            params.ok().and_then(|all| all.iter().find(|(name, _)| *name == "org").map(|(_, id)| id.to_owned()));
        let here = person.memberships.iter().find(|one| Some(&one.organization) == named.as_ref()).cloned();
        here.map(|here| Self { person, here }).ok_or_else(|| state.nothing_here())
    }
}

impl FromRequestParts<State> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let person = Person::from_request_parts(parts, state).await?;
        if person.operator { Ok(Self(person)) } else { Err(state.nothing_here()) }
    }
}

impl<P: FromRequestParts<State, Rejection = Response> + Signed + Send> FromRequest<State> for Sent<P> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &State) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let sender = P::from_request_parts(&mut parts, state).await?;
        let body =
            Bytes::from_request(Request::from_parts(parts, body), state).await.map_err(IntoResponse::into_response)?;
        let posted = Posted::read(&body);
        if posted.one("csrf") != sender.person().csrf {
            let message =
                "This form is not of your present sign-in, so nothing was done. Open the page again and repeat it.";
            return Err(state.problem(StatusCode::FORBIDDEN, message).into_response());
        }
        Ok(Self(sender, posted))
    }
}

/// Who the headers say it is, if a session of theirs goes on.
pub(super) async fn person(state: &State, headers: &HeaderMap) -> Result<Option<Person>, Response> {
    let Some(cookie) = cookie(state, headers) else { return Ok(None) };
    let context = &state.0.context;
    let now = context.clock.now();
    let read = context.store.read(move |tx| {
        let Some((session, due)) = accounts::session(tx, &cookie, now)? else { return Ok(None) };
        let operator = crate::store::accounts::is_operator(tx, &session.email_key)?;
        let memberships = crate::store::accounts::memberships(tx, &session.email_key)?;
        Ok(Some((session, due, operator, memberships)))
    });
    let found = read.await.map_err(|error| state.fault("A sign-in", &error).into_response())?;
    let Some((session, due, operator, memberships)) = found else { return Ok(None) };
    // Who has lost every place has lost the session with them.
    if !operator && memberships.is_empty() {
        return Ok(None);
    }
    if due {
        let id = session.id.clone();
        let kept = context.store.write(move |tx| crate::store::accounts::seen(tx, &id, now)).await;
        kept.map_err(|error| state.fault("A sign-in", &error).into_response())?;
    }
    let csrf = letters::signed(&context.secret, "form", &session.id);
    Ok(Some(Person { session, operator, memberships, csrf }))
}

/// The cookie's name. Where people come by https, no other host and no unencrypted page can set it.
fn name(state: &State) -> &'static str {
    if state.0.context.public_url.starts_with("https://") { "__Host-rattlewatch" } else { "rattlewatch" }
}

fn cookie(state: &State, headers: &HeaderMap) -> Option<String> {
    let wanted = name(state);
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
}

/// The header that keeps `secret` in the browser; that forgets it where it is empty.
pub(super) fn set_cookie(state: &State, secret: &str) -> [(header::HeaderName, HeaderValue); 1] {
    const KEPT: Duration = Duration::from_secs(30 * 86_400);
    let secure = if state.0.context.public_url.starts_with("https://") { "; Secure" } else { "" };
    let age = if secret.is_empty() { 0 } else { KEPT.as_secs() };
    let text = format!("{}={secret}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}", name(state));
    // What we make ourselves has no control characters.
    [(header::SET_COOKIE, HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("")))]
}
