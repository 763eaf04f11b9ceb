//! The two engines, behind one small trait. This is the only place where an engine's name occurs.

mod full_text;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_tls;
mod sqlite;
#[cfg(debug_assertions)]
mod stop;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub(super) use full_text::FullText;

use super::{Location, Row, StoreError, Value};

/// What a unit of work needs of an engine.
pub(super) trait Connection {
    /// Runs a statement and returns its rows.
    fn query(&mut self, sql: &str, args: &[Value]) -> Result<Vec<Row>, StoreError>;
    /// Runs a statement and returns how many rows it changed.
    fn execute(&mut self, sql: &str, args: &[Value]) -> Result<u64, StoreError>;
    /// How it searches texts.
    fn full_text(&self) -> &'static FullText;
    /// Runs several statements without parameters.
    fn batch(&mut self, sql: &str) -> Result<(), StoreError>;
}

/// A unit of work. It may be run again, when the engine asks for a repeat.
pub(super) type Unit = Box<dyn Fn(&mut dyn Connection) -> Result<(), StoreError> + Send>;

/// What an engine promises of a unit: it was committed, or nothing of it was.
pub(super) type Done<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// An opened database.
pub(super) trait Engine: Send + Sync {
    fn name(&self) -> &'static str;
    fn write(&self, unit: Unit) -> Done<'_>;
    fn read(&self, unit: Unit) -> Done<'_>;
    fn commits(&self) -> &AtomicU64;
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Opens the database and brings its schema up to date.
pub(super) async fn open(location: Location) -> Result<Arc<dyn Engine>, StoreError> {
    let opened = tokio::task::spawn_blocking(move || -> Result<Arc<dyn Engine>, StoreError> {
        match location {
            Location::Sqlite(path) => Ok(Arc::new(sqlite::Sqlite::open(&path)?)),
            #[cfg(feature = "postgres")]
            Location::Postgres { url, ca_pem } => Ok(Arc::new(postgres::Postgres::open(&url, ca_pem.as_deref())?)),
            #[cfg(not(feature = "postgres"))]
            Location::Postgres { .. } => {
                Err(StoreError::Schema("this build has no PostgreSQL; build it with the feature `postgres`".to_owned()))
            }
        }
    });
    opened.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
}

#[cfg(debug_assertions)]
use stop::committing;

/// Commits.
#[cfg(not(debug_assertions))]
fn committing<T>(commit: impl FnOnce() -> T) -> T {
    commit()
}

/// Runs a unit; a panic in it becomes an error.
fn guarded(unit: &Unit, connection: &mut dyn Connection) -> Result<(), StoreError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| unit(connection)))
        .unwrap_or_else(|_| Err(StoreError::custom("the work panicked; nothing of it was kept")))
}
