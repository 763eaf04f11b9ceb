//! Organizations and operators: who may use this installation.

use askama::Template;
use axum::extract::State as Shared;
use axum::response::IntoResponse;

use super::super::State;
use super::super::organization::clients::named;
use super::super::person::{Operator, Sent};
use super::super::views::{Frame, html};
use super::{Answer, done, failed, refused};
use crate::model::address::EmailAddress;
use crate::model::audience::Role;
use crate::store::{accounts, audit, organizations};

#[derive(Template)]
#[template(path = "operator_organizations.html")]
struct Page {
    frame: Frame,
    csrf: String,
    me: String,
    /// Id, name, how many clients, how many people.
    rows: Vec<(String, String, usize, usize)>,
    operators: Vec<String>,
}

/// All organizations, and all operators.
pub(super) async fn show(Shared(state): Shared<State>, operator: Operator) -> Answer {
    let read = state.0.context.store.read(|tx| {
        let mut rows = Vec::new();
        for one in organizations::all(tx)? {
            let clients = organizations::clients(tx, &one.id)?.len();
            let people = organizations::members(tx, &one.id)?.len();
            rows.push((one.id, one.name, clients, people));
        }
        Ok((rows, accounts::operators(tx)?))
    });
    let (rows, operators) = read.await.map_err(failed(&state))?;
    let page = Page {
        frame: state.frame_operator(&operator, "/operator/organizations"),
        csrf: operator.0.csrf.clone(),
        me: operator.0.email().to_owned(),
        rows,
        operators,
    };
    Ok(html(&page).into_response())
}

/// Adds an organization with its first owner, who adds the others.
pub(super) async fn add(Shared(state): Shared<State>, Sent(operator, posted): Sent<Operator>) -> Answer {
    let name = named(&posted.one("name")).map_err(|why| refused(&state, &why))?;
    let owner = EmailAddress::parse(&posted.one("owner")).map_err(|why| refused(&state, &why))?;
    let now = state.0.context.clock.now();
    done(&state, "/operator/organizations", move |tx| {
        let Some(added) = organizations::add(tx, &name, now)? else {
            return Ok(Err(format!("There is an organization called {name} already.")));
        };
        let address = (owner.as_str(), owner.key());
        organizations::set_member(tx, &added.id, (address.0, &address.1), ("", Role::Owner), now)?;
        let detail = format!("{name}, owner {owner}");
        audit::add(tx, &operator.0.deed("organization added", &added.id, &detail), now).map(Ok)
    })
    .await
}

/// Adds an operator, or removes one; the last one stays.
pub(super) async fn operators(Shared(state): Shared<State>, Sent(operator, posted): Sent<Operator>) -> Answer {
    let email = EmailAddress::parse(&posted.one("email")).map_err(|why| refused(&state, &why))?;
    let (removes, now) = (posted.one("do") == "remove", state.0.context.clock.now());
    done(&state, "/operator/organizations", move |tx| {
        let action = if removes {
            if accounts::operators(tx)?.len() < 2 {
                return Ok(Err("The last operator stays. Add another one first.".to_owned()));
            }
            if !accounts::remove_operator(tx, &email.key())? {
                return Ok(Err(format!("{email} is no operator.")));
            }
            if accounts::memberships(tx, &email.key())?.is_empty() {
                accounts::end_all(tx, &email.key())?;
            }
            "operator removed"
        } else {
            if !accounts::add_operator(tx, email.as_str(), &email.key(), now)? {
                return Ok(Err(format!("{email} is an operator already.")));
            }
            "operator added"
        };
        audit::add(tx, &operator.0.deed(action, email.as_str(), ""), now).map(Ok)
    })
    .await
}
