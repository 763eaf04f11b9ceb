//! The web pages: what is known, whether we can see, and how the program is doing. Read-only but for leaving.

mod form;
mod metrics;
mod pages;
mod preferences;
mod probes;
mod signup;
mod unsubscribe;
mod views;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, Response};
use axum::routing::get;
use tokio::sync::watch;

use crate::jobs::Context;
use crate::store::StoreError;

/// What pages are made from.
#[derive(Clone)]
pub struct State(Arc<Parts>);

struct Parts {
    context: Context,
    outbox: Option<PathBuf>,
    stop: watch::Receiver<bool>,
    views: views::Views,
}

impl State {
    /// Pages over `context`. `outbox` is the folder of letters where no relay is set; `stop` turns true when we end.
    #[must_use]
    pub fn new(context: Context, outbox: Option<PathBuf>, stop: watch::Receiver<bool>) -> Self {
        Self(Arc::new(Parts { context, outbox, stop, views: views::Views::new() }))
    }
}

impl State {
    /// The page for what could not be stored or read just now; the log says what it was.
    fn fault(&self, what: &str, error: &StoreError) -> (StatusCode, Html<String>) {
        tracing::error!("{what} failed: {error}");
        let message = "This could not be stored just now. Please try again in a minute.";
        self.0.views.problem(StatusCode::SERVICE_UNAVAILABLE, message)
    }
}

/// Every route.
pub fn router(state: State) -> Router {
    Router::new()
        .route("/", get(pages::home))
        .route("/advisories", get(pages::home))
        .route("/advisories/{id}", get(pages::advisory))
        .route("/outbox", get(pages::outbox))
        .route("/outbox/{name}", get(pages::letter))
        .route("/subscribe", get(signup::form).post(signup::ask))
        .route("/confirm/{token}", get(signup::question).post(signup::confirm))
        .route("/p/{token}", get(preferences::show).post(preferences::save))
        .route("/p/{token}/erase", get(preferences::ask_erase).post(preferences::erase))
        .route("/u/{token}", get(unsubscribe::ask).post(unsubscribe::leave))
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(metrics::metrics))
        .fallback(pages::not_found)
        .layer(DefaultBodyLimit::max(FORM_MAX))
        .layer(middleware::from_fn(harden))
        .with_state(state)
}

/// Largest form that is read, in bytes.
const FORM_MAX: usize = 64 * 1024;

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Headers that every answer bears.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
