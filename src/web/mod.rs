//! The web pages: what is known, whether we can see, and how the program is doing; and the forms of recipients.
//!
//! ```text
//! request -> harden (headers, time) -> guard (other sites' forms, too many posts) -> pages (public, kept a second) | forms (signup, preferences, leaving) | probes
//! ```

mod account;
mod api;
mod asked;
mod assets;
mod cache;
mod charts;
mod connections;
mod feeds;
mod form;
mod guard;
mod lines;
mod metrics;
mod operator;
mod organization;
mod pages;
mod person;
mod pictures;
mod preferences;
mod probes;
mod signup;
mod unsubscribe;
mod views;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State as Shared};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::sync::watch;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::jobs::Context;
use crate::store::StoreError;

pub use connections::serve;

/// What pages are made from.
#[derive(Clone)]
pub struct State(Arc<Parts>);

struct Parts {
    context: Context,
    outbox: Option<PathBuf>,
    stop: watch::Receiver<bool>,
    cache: cache::Cache,
    posts: guard::Posts,
}

impl State {
    /// Pages over `context`. `outbox` is the folder of letters where no relay is set; `stop` turns true when we end.
    #[must_use]
    pub fn new(context: Context, outbox: Option<PathBuf>, stop: watch::Receiver<bool>) -> Self {
        Self(Arc::new(Parts { context, outbox, stop, cache: cache::Cache::default(), posts: guard::Posts::default() }))
    }
}

impl State {
    /// The page for what could not be stored or read just now; the log says what it was.
    fn fault(&self, what: &str, error: &StoreError) -> views::Page {
        tracing::error!("{what} failed: {error}");
        let message = "This could not be stored just now. Please try again in a minute.";
        self.problem(StatusCode::SERVICE_UNAVAILABLE, message)
    }
}

/// Every route.
pub fn router(state: State) -> Router {
    let public = Router::new()
        .route("/", get(pages::home::show))
        .route("/advisories", get(pages::advisories::show))
        .route("/advisories.atom", get(pages::advisories::atom))
        .route("/advisories.json", get(pages::advisories::json))
        .route("/advisories/{id}", get(pages::advisory::show))
        .route("/platforms", get(pages::platforms::show))
        .route("/platforms/{id}", get(pages::platform::show))
        .route("/sources", get(pages::sources::show));
    let public = match state.0.context.web.public_pages {
        true => public,
        false => public.layer(middleware::from_fn_with_state(state.clone(), pages::members_only)),
    };
    let lists = organization::lists().layer(RequestBodyLimitLayer::new(LIST_MAX));
    public
        .route("/assets/{name}", get(assets::get))
        .route("/outbox", get(pages::outbox::list))
        .route("/outbox/{name}", get(pages::outbox::one))
        .route("/subscribe", get(signup::form).post(signup::ask))
        .route("/confirm/{token}", get(signup::question).post(signup::confirm))
        .route("/p/{token}", get(preferences::show).post(preferences::save))
        .route("/p/{token}/erase", get(preferences::ask_erase).post(preferences::erase))
        .route("/u/{token}", get(unsubscribe::ask).post(unsubscribe::leave))
        .merge(signed_in())
        .merge(organization::routes())
        .merge(operator::routes())
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(metrics::metrics))
        .fallback(pages::not_found)
        .layer(RequestBodyLimitLayer::new(FORM_MAX))
        .merge(lists)
        .merge(api::routes(&state))
        .layer(middleware::from_fn_with_state(state.clone(), guard::guard))
        .layer(DefaultBodyLimit::disable())
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, PATIENCE))
        .layer(middleware::from_fn_with_state(state.clone(), harden))
        .with_state(state)
}

/// Pages of people who are signed in, and the way there.
fn signed_in() -> Router<State> {
    Router::new()
        .route("/sign-in", get(account::sign_in::form).post(account::sign_in::ask))
        .route("/sign-in/{token}", get(account::sign_in::link).post(account::sign_in::enter))
        .route("/set-up/{token}", get(account::set_up::form).post(account::set_up::save))
        .route("/me", get(account::me::show))
        .route("/me/sign-out", post(account::me::sign_out))
        .route("/me/sign-out-everywhere", post(account::me::sign_out_everywhere))
        .route("/me/sessions/{id}/end", post(account::me::end_session))
}

/// Largest form that is read, in bytes.
const FORM_MAX: usize = 64 * 1024;

/// Largest list that is taken over, in bytes.
const LIST_MAX: usize = 1024 * 1024;

/// How long a request may take from its head to our answer; who sends its body drop by drop is cut off.
const PATIENCE: Duration = Duration::from_secs(20);

/// Nothing but our own files; no script or style within a page (OWASP ASVS 5.0 section 3.4).
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'";

/// Headers that every answer bears. A page that names nobody says itself how long it may be kept.
async fn harden(Shared(state): Shared<State>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if state.0.context.public_url.starts_with("https://") {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}
