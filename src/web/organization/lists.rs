//! Clients and their stacks as CSV (RFC 4180), in and out. What a spreadsheet would take for a formula goes out with an
//! apostrophe before it (OWASP ASVS 5.0 section 1.2.10), and comes back without.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State as Shared;
use axum::http::header;
use axum::response::IntoResponse;

use super::super::State;
use super::super::person::{Place, Sent};
use super::clients::named;
use super::{Answer, failed, refused, stack};
use crate::jobs::audience;
use crate::model::audience::{Owner, Role};
use crate::model::platform::PlatformId;
use crate::model::text::{fold, from_cell, to_cell};
use crate::store::{audit, organizations};

/// Most lines of one list.
const LINES: usize = 5_000;
/// Most faults told at once.
const FAULTS: usize = 10;

/// The list: a line for each client, with what it runs.
pub(in super::super) async fn export(Shared(state): Shared<State>, place: Place) -> Answer {
    let (doer, now) = (place.clone(), state.0.context.clock.now());
    let write = state.0.context.store.write(move |tx| {
        audit::add(tx, &doer.deed("clients exported", doer.id(), ""), now)?;
        organizations::clients(tx, doer.id())
    });
    let clients = write.await.map_err(failed(&state))?;
    let mut out = csv::Writer::from_writer(Vec::new());
    let wrong =
        |_| state.problem(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "The list cannot be made.").into_response();
    out.write_record(["client", "platforms"]).map_err(wrong)?;
    for client in clients {
        let platforms = client.stack.iter().map(|id| id.0.as_str()).collect::<Vec<_>>().join(" ");
        out.write_record([to_cell(&client.name), platforms]).map_err(wrong)?;
    }
    let body = out.into_inner().unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"clients.csv\""),
    ];
    Ok((headers, body).into_response())
}

/// What a list says: clients with their platforms, or what is wrong with it, line by line.
fn read(state: &State, list: &str) -> Result<BTreeMap<String, (String, BTreeSet<PlatformId>)>, String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(list.as_bytes());
    let heads = reader.headers().map_err(|error| format!("The list cannot be read: {error}"))?.clone();
    let column =
        |name: &str| heads.iter().position(|head| head.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name));
    let (Some(client), Some(platforms)) = (column("client"), column("platforms")) else {
        return Err("The first line has to name the columns: client,platforms".to_owned());
    };
    let (mut all, mut faults) = (BTreeMap::new(), Vec::new());
    for (at, record) in reader.records().enumerate() {
        let line = at + 2;
        if at >= LINES {
            return Err(format!("The list has more than {LINES} lines; please take it in parts."));
        }
        match record.map_err(|error| error.to_string()).and_then(|record| {
            let name = named(&from_cell(record.get(client).unwrap_or_default()))?;
            let ids = record.get(platforms).unwrap_or_default().split([' ', ';', ',']).filter(|id| !id.is_empty());
            let stack: Result<BTreeSet<PlatformId>, String> =
                ids.map(|id| audience::platform(&state.0.context.catalog, id)).collect();
            Ok((name, stack?))
        }) {
            Ok((name, stack)) => {
                if all.insert(fold(&name), (name.clone(), stack)).is_some() {
                    faults.push(format!("line {line}: {name} stands there twice"));
                }
            }
            Err(why) => faults.push(format!("line {line}: {why}")),
        }
    }
    if faults.is_empty() {
        return Ok(all);
    }
    let more = faults.len().saturating_sub(FAULTS);
    faults.truncate(FAULTS);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Err(format!("Nothing was taken over. {}{more}", faults.join("; ")))
}

/// Takes a list over: each client that it names has what its line says; other clients stay as they are.
pub(in super::super) async fn import(Shared(state): Shared<State>, Sent(place, posted): Sent<Place>) -> Answer {
    place.needs(&state, Role::Owner)?;
    let list = read(&state, &posted.one("list")).map_err(|why| refused(&state, &why))?;
    if list.is_empty() {
        return Err(refused(&state, "The list names no client."));
    }
    let (doer, now, context) = (place.clone(), state.0.context.clock.now(), state.0.context.clone());
    let count = list.len();
    let write = state.0.context.store.write(move |tx| {
        let known = organizations::clients(tx, doer.id())?;
        let mut added = 0;
        for (key, (name, platforms)) in &list {
            let id = match known.iter().find(|client| fold(&client.name) == *key) {
                Some(client) => client.id.clone(),
                None => {
                    let Some(client) = organizations::add_client(tx, doer.id(), name, now)? else { continue };
                    added += 1;
                    client.id
                }
            };
            stack::set(tx, &context.catalog, &doer, &Owner(id), platforms, now)?;
        }
        audit::add(tx, &doer.deed("clients imported", doer.id(), &format!("{count} lines, {added} new")), now)?;
        Ok(added)
    });
    let added = write.await.map_err(failed(&state))?;
    let text = format!("{added} clients were added, {} brought up to date.", count - added);
    let link = place.url("/clients");
    Ok(state.message("The list was taken over", &text, Some((&link, "To the clients"))).into_response())
}
