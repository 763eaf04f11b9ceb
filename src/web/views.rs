//! Views: the templates of the pages. Everything that is put into one is escaped.

use axum::http::StatusCode;
use axum::response::Html;
use minijinja::{AutoEscape, Environment, Value, context};

/// The compiled templates.
pub(super) struct Views(Environment<'static>);

const TEMPLATES: [(&str, &str); 12] = [
    ("layout.html", include_str!("views/layout.html")),
    ("home.html", include_str!("views/home.html")),
    ("advisory.html", include_str!("views/advisory.html")),
    ("outbox.html", include_str!("views/outbox.html")),
    ("confirm.html", include_str!("views/confirm.html")),
    ("erase.html", include_str!("views/erase.html")),
    ("message.html", include_str!("views/message.html")),
    ("preferences.html", include_str!("views/preferences.html")),
    ("subscribe.html", include_str!("views/subscribe.html")),
    ("wish.html", include_str!("views/wish.html")),
    ("problem.html", include_str!("views/problem.html")),
    ("unsubscribe.html", include_str!("views/unsubscribe.html")),
];

impl Views {
    pub(super) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        for (name, text) in TEMPLATES {
            environment.add_template(name, text).expect("the templates are compiled in and tested");
        }
        Self(environment)
    }

    /// Renders a template; a fault in it becomes a plain page and a line in the log.
    pub(super) fn render(&self, name: &str, values: Value) -> Html<String> {
        let rendered = self.0.get_template(name).and_then(|template| template.render(values));
        Html(rendered.unwrap_or_else(|error| {
            tracing::error!("The page {name} cannot be made: {error:#}");
            "This page cannot be made; the log says why.".to_owned()
        }))
    }

    /// A page that says what happened and what to do.
    pub(super) fn problem(&self, status: StatusCode, message: &str) -> (StatusCode, Html<String>) {
        (status, self.render("problem.html", context! { message }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_compiles_and_escapes() {
        let (_, Html(page)) = Views::new().problem(StatusCode::NOT_FOUND, "<script>alert(1)</script>");
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
    }
}
