//! Views: the templates of the pages, compiled in. Everything that is put into one is escaped.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Html;

use super::{State, assets};

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
    /// Which of the pages in the navigation it is; empty for none.
    pub(super) here: &'static str,
}

impl Frame {
    /// The navigation: address, name, and whether it is the page shown.
    pub(super) fn pages(&self) -> Vec<(&'static str, &'static str, bool)> {
        let all = [("/", "Now"), ("/advisories", "Advisories"), ("/platforms", "Platforms"), ("/sources", "Sources")];
        let subscribe = self.signup.then_some(("/subscribe", "Subscribe"));
        all.into_iter().chain(subscribe).map(|(url, name)| (url, name, url == self.here)).collect()
    }
}

impl State {
    /// The frame of the page at `here`.
    pub(super) fn frame(&self, here: &'static str) -> Frame {
        Frame {
            style: assets::STYLE.name(),
            script: assets::SCRIPT.name(),
            icon: assets::ICON.name(),
            feed: String::new(),
            signup: self.0.context.web.signup,
            here,
        }
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

/// Renders a template; a fault in it becomes a plain page and a line in the log.
pub(super) fn html(template: &impl Template) -> Html<String> {
    Html(template.render().unwrap_or_else(|error| {
        tracing::error!("A page cannot be made: {error}");
        "This page cannot be made; the log says why.".to_owned()
    }))
}
