//! The letters, where no relay is set.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path as FilePath, PathBuf};

use askama::Template;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mail_parser::MessageParser;

use super::super::State;
use super::super::lines::When;
use super::super::views::{self, Frame};
use crate::model::clock::Timestamp;

/// Letters shown.
const LETTERS: usize = 100;
/// How much of a letter is read for the list, which says what its head says, in bytes.
const HEAD: u64 = 16 * 1024;

/// A letter in the list.
struct Head {
    name: String,
    subject: String,
    to: String,
    at: String,
}

#[derive(Template)]
#[template(path = "outbox.html")]
struct Letters {
    frame: Frame,
    letters: Vec<Head>,
}

/// A letter as its reader sees it.
#[derive(Template)]
#[template(path = "letter.html")]
struct Letter {
    frame: Frame,
    head: Head,
    text: Vec<Piece>,
}

/// A piece of a text: words, or an address to go to.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Words(String),
    Address(String),
}

/// The letters that were written to files. Only for a browser on this machine: letters name their recipients.
pub(in super::super) async fn list(Shared(state): Shared<State>, headers: HeaderMap) -> Response {
    let Some(folder) = folder(&state, &headers) else { return no_letters(&state) };
    let read = move || letters(&folder).into_iter().map(|name| head(&folder, name)).collect();
    let letters = tokio::task::spawn_blocking(read).await.unwrap_or_default();
    views::html(&Letters { frame: state.frame(""), letters }).into_response()
}

/// One letter: its text, or with `?raw` the whole as it was written.
pub(in super::super) async fn one(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(folder) = folder(&state, &headers) else { return no_letters(&state) };
    let wanted = name.clone();
    let known = tokio::task::spawn_blocking(move || {
        letters(&folder).contains(&wanted).then(|| std::fs::read(folder.join(&wanted)))
    })
    .await;
    let Ok(Some(Ok(bytes))) = known else {
        return state.problem(StatusCode::NOT_FOUND, "There is no such letter.").into_response();
    };
    if query.as_deref() == Some("raw") {
        return ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], bytes).into_response();
    }
    let text = MessageParser::default().parse(&bytes).and_then(|letter| letter.body_text(0).map(|text| pieces(&text)));
    let letter = Letter { frame: state.frame(""), head: read_head(name, &bytes), text: text.unwrap_or_default() };
    views::html(&letter).into_response()
}

fn head(folder: &FilePath, name: String) -> Head {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(folder.join(&name)).and_then(|file| file.take(HEAD).read_to_end(&mut bytes));
    if let Err(error) = read {
        tracing::warn!("The letter {name} cannot be read: {error}");
    }
    read_head(name, &bytes)
}

fn read_head(name: String, bytes: &[u8]) -> Head {
    let parsed = MessageParser::default().parse_headers(bytes);
    let letter = parsed.as_ref();
    let to = letter.and_then(|letter| letter.to()?.first()?.address().map(str::to_owned));
    Head {
        subject: letter.and_then(|letter| letter.subject()).unwrap_or("A letter that cannot be read").to_owned(),
        to: to.unwrap_or_default(),
        at: letter.and_then(|letter| letter.date()).map(|date| when_of(date.to_timestamp())).unwrap_or_default(),
        name,
    }
}

fn when_of(seconds: i64) -> String {
    When::at(Timestamp::from_seconds(seconds)).text
}

/// A text with its web addresses told apart, so that they can be followed.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = [rest.find("https://"), rest.find("http://")].into_iter().flatten().min() {
        let (words, address) = rest.split_at(at);
        let ends = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '(' | ')');
        let long = address.find(ends).unwrap_or(address.len());
        let address = address[..long].trim_end_matches(['.', ',', ';', ':']);
        pieces.extend([Piece::Words(words.to_owned()), Piece::Address(address.to_owned())]);
        rest = &rest[at + address.len()..];
    }
    pieces.push(Piece::Words(rest.to_owned()));
    pieces
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_a_text_can_be_followed_and_nothing_is_lost() {
        let text = "Yes: http://127.0.0.1:8080/confirm/abc-1.\nSee <https://cert.example/a?b=c>, or http://";
        let all = pieces(text);
        let addresses: Vec<&str> = all
            .iter()
            .filter_map(|piece| match piece {
                Piece::Address(address) => Some(address.as_str()),
                Piece::Words(_) => None,
            })
            .collect();
        assert_eq!(addresses, ["http://127.0.0.1:8080/confirm/abc-1", "https://cert.example/a?b=c", "http://"]);
        let whole: String = all
            .into_iter()
            .map(|piece| match piece {
                Piece::Words(text) | Piece::Address(text) => text,
            })
            .collect();
        assert_eq!(whole, text);
    }
}
