//! Storage: one SQL text for two engines.
//!
//! A unit of work is a closure over [`Tx`], run on a thread that may block: a transaction is a lexical scope and cannot
//! contain an `.await`. Each statement is written once, in the dialect of `docs/DIALECT.md`, above the function that
//! runs it. The engines' names occur in `driver/` and nowhere else.

pub mod accounts;
pub mod advisories;
pub mod api_tokens;
pub mod audit;
pub mod board;
pub mod bounces;
pub mod counters;
pub mod deliveries;
mod driver;
pub mod epss;
mod error;
pub mod events;
pub mod items;
pub mod leftovers;
pub mod links;
pub mod listing;
pub mod meta;
mod migrate;
pub mod organizations;
pub mod outbox;
pub mod overview;
pub mod pace;
pub mod responses;
pub mod rollups;
pub mod search;
pub mod sources;
pub mod signups;
pub mod subscriptions;
pub mod suppressions;
pub mod told;
pub mod wrong_matches;
mod value;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use error::StoreError;
pub use value::{Row, Value, list};

use driver::{Connection, Engine};

/// Where everything is kept.
#[derive(Clone, Debug)]
pub enum Location {
    /// A SQLite file; it and its folder are made where they do not exist.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres {
        /// `postgres://user:password@host:port/database?sslmode=require`
        url: String,
        /// Certificates to trust, in PEM; the public authorities where absent.
        ca_pem: Option<Vec<u8>>,
    },
}

/// A transaction. What it did is kept if the closure that has it returns `Ok`, and undone otherwise.
pub struct Tx<'a>(&'a mut dyn Connection);

impl Tx<'_> {
    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn query(&mut self, sql: &str, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.0.query(sql, args)
    }

    /// Runs a statement and returns its first row, if there is one.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn query_one(&mut self, sql: &str, args: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.0.query(sql, args)?.into_iter().next())
    }

    fn full_text(&self) -> &'static driver::FullText {
        self.0.full_text()
    }

    /// Runs a statement and returns how many rows it changed.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn execute(&mut self, sql: &str, args: &[Value]) -> Result<u64, StoreError> {
        self.0.execute(sql, args)
    }
}

/// The database. Cheap to clone; every clone is the same database.
#[derive(Clone)]
pub struct Store(Arc<dyn Engine>);

impl Store {
    /// Opens the database and brings its schema up to date.
    ///
    /// # Errors
    /// Fails where it cannot be opened, was written by a newer program, or is not ours.
    pub async fn open(location: &Location) -> Result<Self, StoreError> {
        driver::open(location.clone()).await.map(Self)
    }

    /// Runs `work` in a transaction that may write. It may run more than once, where the engine asks for a repeat;
    /// only the last run counts.
    ///
    /// # Errors
    /// What `work` returns, or that the database fails.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(true, work).await
    }

    /// Runs `work` in a transaction that sees one state of the database and writes nothing.
    ///
    /// # Errors
    /// What `work` returns, or that the database fails.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(false, work).await
    }

    async fn run<T: Send + 'static>(
        &self,
        writes: bool,
        work: impl Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        // The engines know nothing of T: the result waits here until the engine says that it is committed.
        let result = Arc::new(std::sync::Mutex::new(None));
        let place = Arc::clone(&result);
        let unit: driver::Unit = Box::new(move |connection| {
            let value = work(&mut Tx(connection))?;
            *place.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(value);
            Ok(())
        });
        if writes {
            self.0.write(unit).await?
        } else {
            self.0.read(unit).await?
        }
        let value = result.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        value.ok_or_else(|| StoreError::custom("a transaction ended without a result"))
    }

    /// Whether the database answers and its schema is ours.
    ///
    /// # Errors
    /// Says what is wrong.
    pub async fn healthy(&self) -> Result<(), StoreError> {
        self.read(migrate::check).await
    }

    /// The engine's name, for people.
    #[must_use]
    pub fn engine(&self) -> &'static str {
        self.0.name()
    }

    /// How many transactions that may write were committed since the start.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.0.commits().load(Ordering::Relaxed)
    }

    /// Waits for what is being written, and closes every connection.
    pub async fn close(self) {
        self.0.close().await;
    }
}

/// A value as the JSON text in which it is stored.
///
/// # Errors
/// Fails where a value has no JSON form; none of ours is so.
pub fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::custom(format!("cannot be stored: {error}")))
}

/// A value from its stored JSON text.
///
/// # Errors
/// Fails where the text was written by something else.
pub fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::custom(format!("a stored value cannot be read: {error}")))
}
