//! Views: the templates of the pages, compiled in. Everything that is put into one is escaped.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::lines::When;
use super::person::{Operator, Person, Place};
use super::{State, assets};
use crate::model::audience::Role;
use crate::store::audit::Entry;

/// A page and how the request for it ended.
pub(super) type Page = (StatusCode, Html<String>);

/// What every page has around it.
pub(super) struct Frame {
    /// File names of the style sheet, the script and the icon.
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) icon: &'static str,
    /// The feed of what the page lists; empty for none.
    pub(super) feed: String,
    /// Whether anybody may ask to be mailed.
    pub(super) signup: bool,
    /// The navigation.
    pub(super) pages: Vec<Way>,
    /// The navigation within a room; empty on public pages.
    pub(super) room: Vec<Way>,
    /// What the room is called.
    pub(super) title: String,
}

/// A place that the navigation leads to.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) url: String,
    pub(super) name: String,
    /// It is the page shown.
    pub(super) here: bool,
}

impl Way {
    fn new(url: &str, name: &str, here: &str) -> Self {
        Self { url: url.to_owned(), name: name.to_owned(), here: url == here }
    }
}

/// The pages of an organization, below its address, and whom each is for.
const ROOMS: [(&str, &str, Role); 7] = [
    ("", "Board", Role::Viewer),
    ("/clients", "Clients", Role::Viewer),
    ("/people", "People", Role::Viewer),
    ("/mail", "Mail and channels", Role::Viewer),
    ("/deliveries", "Deliveries", Role::Viewer),
    ("/tokens", "API tokens", Role::Owner),
    ("/audit", "Audit log", Role::Owner),
];

/// The pages of operators.
const OPERATOR: [(&str, &str); 7] = [
    ("/operator", "Sources"),
    ("/operator/outbox", "Outbox"),
    ("/operator/advisories", "Advisories"),
    ("/operator/wrong-matches", "Wrong matches"),
    ("/operator/suppression", "Suppression"),
    ("/operator/organizations", "Organizations"),
    ("/operator/audit", "Audit log"),
];

impl State {
    /// The frame of a page for everybody, which is at `here`.
    pub(super) fn frame(&self, here: &str) -> Frame {
        let signup = self.0.context.web.signup;
        let all = [("/", "Now"), ("/advisories", "Advisories"), ("/platforms", "Platforms"), ("/sources", "Sources")];
        let subscribe = signup.then_some(("/subscribe", "Subscribe"));
        let pages = all.into_iter().chain(subscribe).chain([("/sign-in", "Sign in")]);
        Frame {
            style: assets::STYLE.name(),
            script: assets::SCRIPT.name(),
            icon: assets::ICON.name(),
            feed: String::new(),
            signup,
            pages: pages.map(|(url, name)| Way::new(url, name, here)).collect(),
            room: Vec::new(),
            title: String::new(),
        }
    }

    /// The frame of a page for one who is signed in.
    pub(super) fn frame_of(&self, person: &Person, here: &str) -> Frame {
        let public =
            [("/", "Now"), ("/advisories", "Advisories"), ("/platforms", "Platforms"), ("/sources", "Sources")];
        let mut pages: Vec<Way> = public.map(|(url, name)| Way::new(url, name, here)).into();
        let places = person.memberships.iter();
        pages.extend(places.map(|one| Way::new(&format!("/o/{}", one.organization), &one.name, here)));
        pages.extend(person.operator.then(|| Way::new("/operator", "Operator", here)));
        pages.push(Way::new("/me", person.email(), here));
        Frame { pages, ..self.frame("") }
    }

    /// The frame of a page of an organization; `rest` is its address below the organization's.
    pub(super) fn frame_at(&self, place: &Place, rest: &str) -> Frame {
        let open = ROOMS.iter().filter(|(_, _, role)| place.may(*role));
        let room = open.map(|(url, name, _)| Way { url: place.url(url), name: (*name).to_owned(), here: *url == rest });
        let frame = self.frame_of(&place.person, &place.url(""));
        Frame { room: room.collect(), title: place.here.name.clone(), ..frame }
    }

    /// The frame of a page of operators.
    pub(super) fn frame_operator(&self, operator: &Operator, here: &str) -> Frame {
        let room = OPERATOR.map(|(url, name)| Way::new(url, name, here));
        Frame { room: room.into(), title: "Operator".to_owned(), ..self.frame_of(&operator.0, "/operator") }
    }

    /// The page for what is not there, or not for the one who asks: nobody can tell which.
    pub(super) fn nothing_here(&self) -> Response {
        self.problem(StatusCode::NOT_FOUND, "There is no such page.").into_response()
    }

    /// A page that says what happened and what to do.
    pub(super) fn problem(&self, status: StatusCode, message: &str) -> Page {
        (status, html(&Problem { frame: self.frame(""), message }))
    }

    /// A page that says what has been done; `link` (an address and its name) leads on.
    pub(super) fn message(&self, title: &str, text: &str, link: Option<(&str, &str)>) -> Page {
        (StatusCode::OK, html(&Message { frame: self.frame(""), title, text, link }))
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Problem<'a> {
    frame: Frame,
    message: &'a str,
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    frame: Frame,
    title: &'a str,
    text: &'a str,
    link: Option<(&'a str, &'a str)>,
}

/// A page of the audit log.
#[derive(Template)]
#[template(path = "audit.html")]
pub(super) struct Log {
    frame: Frame,
    entries: Vec<(When, Entry)>,
    /// Where the next page begins; 0 where there is none.
    below: i64,
    /// Whether nothing was taken away or changed; empty where that is not said.
    intact: String,
}

impl Log {
    /// The log's entries, of which a page has at most `most`.
    pub(super) fn new(frame: Frame, entries: Vec<Entry>, most: i64, intact: String) -> Self {
        let more = i64::try_from(entries.len()).is_ok_and(|count| count == most);
        let below = entries.last().filter(|_| more).map_or(0, |entry| entry.seq);
        Self { frame, entries: entries.into_iter().map(|entry| (When::at(entry.at), entry)).collect(), below, intact }
    }
}

/// Renders a template; a fault in it becomes a plain page and a line in the log.
pub(super) fn html(template: &impl Template) -> Html<String> {
    Html(template.render().unwrap_or_else(|error| {
        tracing::error!("A page cannot be made: {error}");
        "This page cannot be made; the log says why.".to_owned()
    }))
}
