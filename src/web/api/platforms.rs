//! `/platforms`: what is looked for.

use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::State;
use super::answer::{Named, made, public};
use super::caller::Caller;
use super::problem::Problem;
use super::query::{Asked, Nothing};
use super::shape::{CategoryWord, PlatformId};
use crate::platforms;
use crate::store::overview;

/// Of how many days advisories are counted.
const DAYS: u64 = 30;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one))
}

/// A product that managed service providers run.
#[derive(Serialize, ToSchema)]
struct Platform {
    id: PlatformId,
    /// As people know it.
    name: String,
    /// Who makes it.
    vendor: String,
    category: CategoryWord,
    /// Names that it had.
    former_names: Vec<String>,
    /// The id under which its advisories are found, where this is only another name of that product; else null.
    same_as: Option<PlatformId>,
    /// Public advisories that touch it and were revised within the last 30 days.
    #[schema(minimum = 0)]
    advisories_30_days: i64,
}

impl Platform {
    fn of(platform: &platforms::Platform, count: i64) -> Self {
        Self {
            id: PlatformId(platform.id.0.clone()),
            name: platform.name.clone(),
            vendor: platform.vendor.clone(),
            category: platform.category.as_str().into(),
            former_names: platform.former.clone(),
            same_as: platform.same_as.as_ref().map(|id| PlatformId(id.0.clone())),
            advisories_30_days: count,
        }
    }
}

/// Every platform.
#[derive(Serialize, ToSchema)]
struct PlatformList {
    /// The platforms, by id.
    items: Vec<Platform>,
}

/// The platforms that `wanted` takes, by id.
async fn counted(state: &State, wanted: impl Fn(&str) -> bool) -> Result<Vec<Platform>, Problem> {
    let context = &state.0.context;
    let since = context.clock.now().minus(Duration::from_secs(DAYS * 86_400));
    let read = context.store.read(move |tx| overview::touched(tx, since)).await;
    let counts = read.map_err(|error| Problem::fault(&error))?;
    let count = |id: &str| counts.get(id).copied().unwrap_or_default();
    let found = context.catalog.iter().filter(|platform| wanted(&platform.id.0));
    let mut all: Vec<Platform> = found.map(|platform| Platform::of(platform, count(&platform.id.0))).collect();
    all.sort_by(|a, b| a.id.0.cmp(&b.id.0));
    Ok(all)
}

/// List the platforms
///
/// All at once: there are some hundreds, and they change with the catalog.
#[utoipa::path(get, path = "/platforms", tag = "Platforms", operation_id = "listPlatforms",
    responses((status = 200, description = "Every platform.", body = PlatformList)),
    security((), ("token" = ["read"])))]
async fn list(Shared(state): Shared<State>, caller: Caller, _: Asked<Nothing>, headers: HeaderMap) -> Response {
    let make = async { Ok(made(&PlatformList { items: counted(&state, |_| true).await? })?) };
    public(&state, &caller, &headers, "/api/v1/platforms".to_owned(), make).await
}

/// Read a platform
#[utoipa::path(get, path = "/platforms/{id}", tag = "Platforms", operation_id = "getPlatform",
    params(("id" = PlatformId, Path, description = "The platform's id.", example = "screenconnect")),
    responses((status = 200, description = "The platform.", body = Platform)),
    security((), ("token" = ["read"])))]
async fn one(
    Shared(state): Shared<State>,
    caller: Caller,
    Named(id): Named,
    _: Asked<Nothing>,
    headers: HeaderMap,
) -> Response {
    let make = async {
        let found = counted(&state, |known| known == id).await?.pop();
        Ok(made(&found.ok_or_else(Problem::absent)?)?)
    };
    public(&state, &caller, &headers, format!("/api/v1/platforms/{id}"), make).await
}
