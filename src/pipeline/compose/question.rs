//! The question "do you want this?", mailed before anything else is.

use serde::Serialize;

use super::Question;
use super::reader::wanted;
use super::text::link;

/// What the templates of the question are filled with.
#[derive(Debug, Serialize)]
pub struct View {
    pub subject: String,
    preheader: String,
    asked: Vec<String>,
    confirm: String,
    host: String,
}

/// Fills the view of one question.
pub fn view(input: &Question<'_>) -> View {
    let (confirm, host) = link(input.confirm).unwrap_or_default();
    View {
        subject: "Please confirm: security alerts for what you run".to_owned(),
        preheader: "One click, and alerts come. No click, and nothing does.".to_owned(),
        asked: wanted(input.wish, input.name),
        confirm,
        host,
    }
}
