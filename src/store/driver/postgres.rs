//! PostgreSQL: a small pool of connections that live and die on threads that may block.
//!
//! The client library panics where it is made, used or dropped on a thread of the runtime, so no connection ever
//! leaves this file.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use postgres::error::SqlState;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, Statement, Transaction};
use tokio::sync::Semaphore;

use super::postgres_tls::Tls;
use super::{Connection, Done, Engine, FullText, Unit, committing, full_text, guarded};
use crate::store::{Row, StoreError, Value, migrate};

/// Most connections at a time.
const CONNECTIONS: usize = 8;
/// How often a unit is repeated when transactions meet.
const REPEATS: u32 = 5;
/// The key of the lock under which schemas are migrated, the letters "RtlW".
const MIGRATION_LOCK: i64 = 0x5274_6c57;

pub(super) struct Postgres {
    config: Config,
    tls: Tls,
    idle: Arc<Mutex<Vec<Pooled>>>,
    permits: Arc<Semaphore>,
    commits: Arc<AtomicU64>,
}

/// A connection, with the statements that it has prepared.
struct Pooled {
    client: Client,
    statements: HashMap<String, Statement>,
}

impl Postgres {
    /// Connects, and brings the schema up to date under a lock. To be called on a thread that may block.
    pub(super) fn open(url: &str, ca_pem: Option<&[u8]>) -> Result<Self, StoreError> {
        let mut config: Config = url
            .parse()
            .map_err(|error| StoreError::Schema(format!("database_url cannot be read: {}", reason(&error))))?;
        config.connect_timeout(Duration::from_secs(10)).application_name("rattlewatch");
        let options = config.get_options().map_or_else(String::new, |given| format!("{given} "));
        config.options(&format!("{options}-c statement_timeout=30s"));
        let tls = Tls::new(ca_pem)?;
        let mut first = connect(&config, &tls)?;
        migrate_database(&mut first)?;
        Ok(Self {
            config,
            tls,
            idle: Arc::new(Mutex::new(vec![first])),
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
            commits: Arc::default(),
        })
    }

    fn run(&self, writes: bool, unit: Unit) -> Done<'_> {
        Box::pin(async move {
            let permit = Arc::clone(&self.permits).acquire_owned().await;
            let permit = permit.map_err(|_| StoreError::Unavailable("it is closed".to_owned()))?;
            let (config, tls, idle, commits) =
                (self.config.clone(), self.tls.clone(), Arc::clone(&self.idle), Arc::clone(&self.commits));
            let work = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                let result = on_a_connection(&config, &tls, &idle, writes, &unit);
                if writes && result.is_ok() {
                    commits.fetch_add(1, Ordering::Relaxed);
                }
                result
            });
            work.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
        })
    }
}

impl Engine for Postgres {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn write(&self, unit: Unit) -> Done<'_> {
        self.run(true, unit)
    }

    fn read(&self, unit: Unit) -> Done<'_> {
        self.run(false, unit)
    }

    fn commits(&self) -> &AtomicU64 {
        &self.commits
    }

    fn close(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            // With every permit in hand, no connection is in use.
            let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
            let permits = self.permits.acquire_many(all).await;
            let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
            let _ = tokio::task::spawn_blocking(move || drop(idle)).await;
            self.permits.close();
            drop(permits);
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        if !idle.is_empty() {
            // Where close() was not called: connections must not be dropped on a thread of the runtime.
            let _ = std::thread::spawn(move || drop(idle)).join();
        }
    }
}

fn connect(config: &Config, tls: &Tls) -> Result<Pooled, StoreError> {
    let client = config.connect(tls.connector()).map_err(|error| StoreError::Unavailable(reason(&error)))?;
    Ok(Pooled { client, statements: HashMap::new() })
}

fn migrate_database(pooled: &mut Pooled) -> Result<(), StoreError> {
    let Pooled { client, statements } = pooled;
    let mut transaction = client.transaction().map_err(|error| failed("BEGIN", &error))?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK])
        .map_err(|error| failed("migration lock", &error))?;
    migrate::apply(&mut Open { transaction: &mut transaction, statements })?;
    transaction.commit().map_err(|error| failed("COMMIT", &error))
}

/// Runs the unit on a pooled connection. One that the server has closed meanwhile is replaced before anything is sent.
fn on_a_connection(
    config: &Config,
    tls: &Tls,
    idle: &Mutex<Vec<Pooled>>,
    writes: bool,
    unit: &Unit,
) -> Result<(), StoreError> {
    let mut pooled = loop {
        match idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            Some(found) if found.client.is_closed() => {}
            Some(found) => break found,
            None => break connect(config, tls)?,
        }
    };
    let mut result = in_transaction(&mut pooled, writes, unit);
    for repeat in 1..=REPEATS {
        match &result {
            Err(StoreError::Repeat(_)) => {
                std::thread::sleep(Duration::from_millis(5 << repeat));
                result = in_transaction(&mut pooled, writes, unit);
            }
            // A server that was restarted closes idle connections; nothing of a transaction that failed is kept.
            Err(StoreError::Unavailable(_)) if pooled.client.is_closed() && repeat == 1 && !writes => {
                pooled = connect(config, tls)?;
                result = in_transaction(&mut pooled, writes, unit);
            }
            _ => break,
        }
    }
    if !pooled.client.is_closed() {
        idle.lock().unwrap_or_else(PoisonError::into_inner).push(pooled);
    }
    result
}

fn in_transaction(pooled: &mut Pooled, writes: bool, unit: &Unit) -> Result<(), StoreError> {
    let Pooled { client, statements } = pooled;
    let mut builder = client.build_transaction();
    if !writes {
        builder = builder.read_only(true).isolation_level(postgres::IsolationLevel::RepeatableRead);
    }
    let mut transaction = builder.start().map_err(|error| failed("BEGIN", &error))?;
    guarded(unit, &mut Open { transaction: &mut transaction, statements })?;
    let commit = || transaction.commit().map_err(|error| failed("COMMIT", &error));
    if writes { committing(commit) } else { commit() }
}

/// A connection within a transaction.
struct Open<'a, 'c> {
    transaction: &'a mut Transaction<'c>,
    statements: &'a mut HashMap<String, Statement>,
}

impl Open<'_, '_> {
    fn prepare(&mut self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let statement = self.transaction.prepare(sql).map_err(|error| failed(sql, &error))?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl Connection for Open<'_, '_> {
    fn query(&mut self, sql: &str, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql)?;
        let rows =
            self.transaction.query(&statement, &bound(sql, &statement, args)?).map_err(|error| failed(sql, &error))?;
        rows.iter().map(|row| cells(sql, row)).collect()
    }

    fn execute(&mut self, sql: &str, args: &[Value]) -> Result<u64, StoreError> {
        let statement = self.prepare(sql)?;
        self.transaction.execute(&statement, &bound(sql, &statement, args)?).map_err(|error| failed(sql, &error))
    }

    fn full_text(&self) -> &'static FullText {
        &full_text::POSTGRES
    }

    fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        let sql = sql.replace("/* full text */", full_text::POSTGRES.schema);
        self.transaction.batch_execute(&sql).map_err(|error| failed(&sql, &error))
    }
}

fn bound<'a>(sql: &str, statement: &Statement, args: &'a [Value]) -> Result<Vec<&'a (dyn ToSql + Sync)>, StoreError> {
    let wanted = statement.params().len();
    if wanted > args.len() {
        return Err(StoreError::query(sql, format!("it has {wanted} parameters and was given {}", args.len())));
    }
    Ok(args[..wanted].iter().map(|value| value as &(dyn ToSql + Sync)).collect())
}

fn cells(sql: &str, row: &postgres::Row) -> Result<Row, StoreError> {
    let cell = |index: usize| -> Result<Value, postgres::Error> {
        let kind = row.columns()[index].type_();
        Ok(if *kind == Type::INT8 {
            row.try_get::<_, Option<i64>>(index)?.into()
        } else if *kind == Type::INT4 {
            row.try_get::<_, Option<i32>>(index)?.map(i64::from).into()
        } else if *kind == Type::BOOL {
            row.try_get::<_, Option<bool>>(index)?.into()
        } else if *kind == Type::FLOAT8 {
            row.try_get::<_, Option<f64>>(index)?.into()
        } else if *kind == Type::BYTEA {
            row.try_get::<_, Option<Vec<u8>>>(index)?.into()
        } else {
            // Text of every sort; any other type is refused here.
            row.try_get::<_, Option<String>>(index)?.into()
        })
    };
    (0..row.len()).map(cell).collect::<Result<_, _>>().map(Row).map_err(|error| failed(sql, &error))
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Text(text) if <&str as ToSql>::accepts(kind) => text.to_sql(kind, out),
            Self::Int(int) if *kind == Type::INT8 => int.to_sql(kind, out),
            Self::Int(int) if *kind == Type::INT4 => i32::try_from(*int)?.to_sql(kind, out),
            Self::Bool(bool) if *kind == Type::BOOL => bool.to_sql(kind, out),
            Self::Real(real) if *kind == Type::FLOAT8 => real.to_sql(kind, out),
            Self::Bytes(bytes) if *kind == Type::BYTEA => bytes.to_sql(kind, out),
            other => Err(format!("{other:?} was given where the statement asks for {kind}; cast the parameter").into()),
        }
    }

    // The value decides, not the Rust type: to_sql refuses what does not fit.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn failed(sql: &str, error: &postgres::Error) -> StoreError {
    let Some(code) = error.code() else {
        return if error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>()) {
            StoreError::Unavailable(reason(error))
        } else {
            StoreError::query(sql, reason(error))
        };
    };
    match code {
        &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => StoreError::Repeat(reason(error)),
        &SqlState::UNIQUE_VIOLATION | &SqlState::FOREIGN_KEY_VIOLATION | &SqlState::CHECK_VIOLATION => {
            StoreError::Conflict(reason(error))
        }
        other if ["08", "53", "57", "58"].iter().any(|class| other.code().starts_with(class)) => {
            StoreError::Unavailable(reason(error))
        }
        _ => StoreError::query(sql, reason(error)),
    }
}

/// What the server says, with the causes that the client library keeps apart.
fn reason(error: &postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        return format!("{} ({})", server.message(), server.code().code());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
