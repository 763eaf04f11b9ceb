//! What can go wrong with the database, named after what to do.

/// Why a unit of work was not kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be used now: down, locked too long, disk full. Try again later.
    #[error("the database cannot be used: {0}")]
    Unavailable(String),
    /// Two transactions met; the same work may succeed when it is repeated.
    #[error("two transactions met: {0}")]
    Repeat(String),
    /// A row with this key exists.
    #[error("it exists already: {0}")]
    Conflict(String),
    /// The file or database belongs to a newer program, or is not ours.
    #[error("{0}")]
    Schema(String),
    /// A statement is wrong, or a value is not of the type that the statement asks for.
    #[error("{reason} (in: {sql})")]
    Query {
        /// The beginning of the statement.
        sql: String,
        /// What the engine says.
        reason: String,
    },
    /// Raised by the work itself.
    #[error("{0}")]
    Custom(String),
}

impl StoreError {
    /// An error of the work itself.
    #[must_use]
    pub fn custom(text: impl Into<String>) -> Self {
        Self::Custom(text.into())
    }

    /// A statement that failed, with its beginning.
    pub(super) fn query(sql: &str, reason: impl std::fmt::Display) -> Self {
        let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let sql = if sql.chars().count() > 120 { sql.chars().take(120).chain("...".chars()).collect() } else { sql };
        Self::Query { sql, reason: reason.to_string() }
    }
}
