//! The people of an organization, and what each may do.

use askama::Template;
use axum::extract::State as Shared;
use axum::response::IntoResponse;

use super::super::State;
use super::super::person::{Place, Sent};
use super::super::views::{Frame, html};
use super::{Answer, back, failed, refused};
use crate::jobs::audience::{self, Known, Saved, Written};
use crate::model::address::EmailAddress;
use crate::model::audience::{Member, Owner, Role};
use crate::model::text;
use crate::store::subscriptions::{self, Ended, Recipient};
use crate::store::{accounts, audit, organizations};

/// Longest name, in characters.
const NAME_MAX: usize = 120;

#[derive(Template)]
#[template(path = "people.html")]
struct People {
    frame: Frame,
    base: String,
    csrf: String,
    may_edit: bool,
    me: String,
    members: Vec<Member>,
    roles: [&'static str; 3],
    said: String,
}

/// Everybody of the organization.
pub(in super::super) async fn show(Shared(state): Shared<State>, place: Place) -> Answer {
    page(&state, &place, String::new()).await
}

async fn page(state: &State, place: &Place, said: String) -> Answer {
    let organization = place.id().to_owned();
    let read = state.0.context.store.read(move |tx| organizations::members(tx, &organization));
    let page = People {
        frame: state.frame_at(place, "/people"),
        base: place.url(""),
        csrf: place.person.csrf.clone(),
        may_edit: place.may(Role::Owner),
        me: place.person.email().to_owned(),
        members: read.await.map_err(failed(state))?,
        roles: Role::ALL.map(Role::as_str),
        said,
    };
    Ok(html(&page).into_response())
}

/// Adds a person, or gives one another role. Who is to be mailed follows the whole stack from then on.
pub(in super::super) async fn set(Shared(state): Shared<State>, Sent(place, posted): Sent<Place>) -> Answer {
    place.needs(&state, Role::Owner)?;
    let email = EmailAddress::parse(&posted.one("email")).map_err(|why| refused(&state, &why))?;
    let role: Role = posted.one("role").parse().map_err(|why: String| refused(&state, &why))?;
    let name = text::truncate(&text::one_line(&posted.one("name")), NAME_MAX);
    let context = state.0.context.clone();
    let written = Written { stacks: vec![Owner(place.id().to_owned())], ..Written::default() };
    let known = Known { catalog: &context.catalog, sources: &context.sources };
    let wish = written.wish(&known).map_err(|why| refused(&state, &why))?;
    let (mailed, doer, now) = (!posted.one("mailed").is_empty(), place.clone(), context.clock.now());
    let write = state.0.context.store.write(move |tx| {
        let key = email.key();
        let members = organizations::members(tx, doer.id())?;
        let before = members.iter().find(|one| EmailAddress::parse(&one.email).is_ok_and(|one| one.key() == key));
        // Without an owner nobody could let another one in.
        let owners = members.iter().filter(|one| one.role == Role::Owner).count();
        if role != Role::Owner && owners == 1 && before.is_some_and(|one| one.role == Role::Owner) {
            return Ok(Err("The last owner stays one. Make somebody else an owner first.".to_owned()));
        }
        organizations::set_member(tx, doer.id(), (email.as_str(), &key), (&name, role), now)?;
        let detail = before.map_or_else(|| role.to_string(), |one| format!("{} before, {role} now", one.role));
        audit::add(tx, &doer.deed("member set", email.as_str(), &detail), now)?;
        if !mailed || before.is_some() {
            return Ok(Ok(String::new()));
        }
        let recipient = Recipient { organization: doer.id().to_owned(), ..Recipient::mailbox(email.as_str(), &key) };
        let consent = format!("given outside Rattlewatch, entered by {} under People", doer.person.email());
        let saved = audience::save(tx, &context.catalog, &context.secret, &recipient, &wish, &consent, now)?;
        Ok(Ok(match saved {
            Saved::Stored(..) => String::new(),
            Saved::Suppressed(why) => format!(
                "{email} can sign in, but is not mailed: {} on {}. Only the person can change that, by subscribing again.",
                why.detail, why.at
            ),
        }))
    });
    match write.await.map_err(failed(&state))? {
        Ok(said) if said.is_empty() => Ok(back(&place, "/people")),
        Ok(said) => page(&state, &place, said).await,
        Err(why) => Err(refused(&state, &why)),
    }
}

/// Removes a person: the membership, the organization's mail to it, and where that leaves nothing, its sign-ins.
pub(in super::super) async fn remove(Shared(state): Shared<State>, Sent(place, posted): Sent<Place>) -> Answer {
    place.needs(&state, Role::Owner)?;
    let email = EmailAddress::parse(&posted.one("email")).map_err(|why| refused(&state, &why))?;
    let (doer, now) = (place.clone(), state.0.context.clock.now());
    let write = state.0.context.store.write(move |tx| {
        let key = email.key();
        let members = organizations::members(tx, doer.id())?;
        let is = |one: &&Member| EmailAddress::parse(&one.email).is_ok_and(|known| known.key() == key);
        let owners = members.iter().filter(|one| one.role == Role::Owner).count();
        match members.iter().find(is) {
            None => return Ok(Err(format!("{email} is no member."))),
            Some(one) if one.role == Role::Owner && owners == 1 => {
                return Ok(Err("The last owner stays. Make somebody else an owner first.".to_owned()));
            }
            Some(_) => {}
        }
        for one in subscriptions::of_address(tx, &key)?.iter().filter(|one| one.organization == doer.id()) {
            subscriptions::end(tx, &one.id, Ended::Removed, now)?;
        }
        organizations::remove_member(tx, doer.id(), &key)?;
        if accounts::memberships(tx, &key)?.is_empty() && !accounts::is_operator(tx, &key)? {
            accounts::end_all(tx, &key)?;
        }
        audit::add(tx, &doer.deed("member removed", email.as_str(), ""), now)?;
        Ok(Ok(()))
    });
    match write.await.map_err(failed(&state))? {
        Ok(()) => Ok(back(&place, "/people")),
        Err(why) => Err(refused(&state, &why)),
    }
}
