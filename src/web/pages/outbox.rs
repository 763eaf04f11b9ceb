//! The letters, where no relay is set.

use std::net::SocketAddr;
use std::path::{Path as FilePath, PathBuf};

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::State;
use super::super::views::{self, Frame};

/// Letters shown.
const LETTERS: usize = 200;

#[derive(Template)]
#[template(path = "outbox.html")]
struct Letters {
    frame: Frame,
    names: Vec<String>,
}

/// The letters that were written to files. Only for a browser on this machine: letters name their recipients.
pub(in super::super) async fn list(Shared(state): Shared<State>, headers: HeaderMap) -> Response {
    let Some(folder) = folder(&state, &headers) else { return no_letters(&state) };
    let names = tokio::task::spawn_blocking(move || letters(&folder)).await.unwrap_or_default();
    views::html(&Letters { frame: state.frame(""), names }).into_response()
}

/// One letter, as it was written.
pub(in super::super) async fn one(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(folder) = folder(&state, &headers) else { return no_letters(&state) };
    let known = tokio::task::spawn_blocking(move || {
        letters(&folder).contains(&name).then(|| std::fs::read(folder.join(&name)))
    })
    .await;
    match known {
        Ok(Some(Ok(bytes))) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], bytes).into_response(),
        _ => state.problem(StatusCode::NOT_FOUND, "There is no such letter.").into_response(),
    }
}

/// The folder of letters, for a request whose Host is this machine's loopback: a page elsewhere cannot forge that.
fn folder(state: &State, headers: &HeaderMap) -> Option<PathBuf> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let local = name == "localhost"
        || host
            .parse::<SocketAddr>()
            .map(|address| address.ip())
            .or_else(|_| name.trim_matches(['[', ']']).parse())
            .is_ok_and(|ip| ip.is_loopback());
    state.0.outbox.clone().filter(|_| local)
}

fn no_letters(state: &State) -> Response {
    let message = "Letters are shown only where no mail relay is set, and only to a browser on the same machine (http://localhost).";
    state.problem(StatusCode::NOT_FOUND, message).into_response()
}

/// The names of the newest letters, newest first.
fn letters(folder: &FilePath) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".eml"))
        .collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    names.truncate(LETTERS);
    names
}
