//! SQLite: one file, one writer that commits in groups, a few readers.
//!
//! Everything that waits to be written is taken together: each unit runs in its own savepoint, one commit makes all of
//! them durable (`synchronous=FULL`, one sync of the disk), and only then is anybody answered. Nobody waits for a group
//! to fill: a group is what arrived while the one before was being synced.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection as Sqlite3, ErrorCode, ToSql, TransactionBehavior};
use tokio::sync::oneshot;

use super::{Connection, Done, Engine, FullText, Unit, committing, full_text, guarded};
use crate::store::{Row, StoreError, Value, migrate};

/// The first SQLite without the WAL-reset bug (sqlite.org/wal.html#walresetbug).
const OLDEST: i32 = 3_051_003;
/// `application_id` in the file's header: the letters "RtlW".
const APPLICATION_ID: i64 = 0x5274_6c57;
/// Most units in one commit: bounds how much a failed commit undoes.
const GROUP: usize = 64;
/// Readers kept open.
const READERS: usize = 4;
/// Prepared statements kept for each connection.
const STATEMENTS: usize = 256;

struct Job {
    unit: Unit,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

pub(super) struct Sqlite {
    path: PathBuf,
    jobs: Mutex<Option<Sender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Arc<Mutex<Vec<Sqlite3>>>,
    commits: Arc<AtomicU64>,
}

impl Sqlite {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let version = rusqlite::version_number();
        if version < OLDEST {
            return Err(StoreError::Schema(format!(
                "SQLite {} can corrupt its file; 3.51.3 or newer is needed",
                rusqlite::version()
            )));
        }
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| {
                StoreError::Unavailable(format!("the folder {} cannot be made: {error}", folder.display()))
            })?;
        }
        let mut connection = connect(path, false)?;
        migrate_file(&mut connection, path)?;
        let (jobs, waiting) = channel();
        let commits = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&commits);
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_groups(connection, &waiting, &count))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(writer)),
            readers: Arc::default(),
            commits,
        })
    }
}

impl Engine for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn write(&self, unit: Unit) -> Done<'_> {
        let (answer, answered) = oneshot::channel();
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            let closed = || StoreError::Unavailable("it is closed".to_owned());
            jobs.ok_or_else(closed)?.send(Job { unit, answer }).map_err(|_| closed())?;
            answered.await.map_err(|_| closed())?
        })
    }

    fn read(&self, unit: Unit) -> Done<'_> {
        let (path, readers) = (self.path.clone(), Arc::clone(&self.readers));
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || {
                let idle = readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let connection = match idle {
                    Some(connection) => connection,
                    None => connect(&path, true)?,
                };
                let result = read_in_transaction(&connection, &unit);
                let mut readers = readers.lock().unwrap_or_else(PoisonError::into_inner);
                if readers.len() < READERS {
                    readers.push(connection);
                }
                result
            });
            read.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
        })
    }

    fn commits(&self) -> &AtomicU64 {
        &self.commits
    }

    fn close(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let readers = Arc::clone(&self.readers);
        Box::pin(async move {
            // The writer leaves once every clone of the sender is gone and the last group is answered.
            let _ = tokio::task::spawn_blocking(move || {
                readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
                writer.map(JoinHandle::join)
            })
            .await;
        })
    }
}

fn connect(path: &Path, reader: bool) -> Result<Sqlite3, StoreError> {
    let connection = Sqlite3::open(path).map_err(|error| unavailable(path, &error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let set_up = || -> rusqlite::Result<()> {
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        if reader {
            connection.pragma_update(None, "query_only", true)?;
        } else {
            // KiB. A fan-out finds its recipients anywhere among a million.
            connection.pragma_update(None, "cache_size", -8_192)?;
        }
        Ok(())
    };
    set_up().map_err(|error| unavailable(path, &error))?;
    Ok(connection)
}

fn unavailable(path: &Path, error: &rusqlite::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}

/// Makes the schema current; a file of another program is refused untouched.
fn migrate_file(connection: &mut Sqlite3, path: &Path) -> Result<(), StoreError> {
    let number = |sql: &str| {
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|error| unavailable(path, &error))
    };
    let (mark, tables) = (number("PRAGMA application_id")?, number("SELECT COUNT(*) FROM sqlite_master")?);
    if mark != APPLICATION_ID && (mark != 0 || tables > 0) {
        return Err(StoreError::Schema(format!(
            "{} is a database of another program; choose another file",
            path.display()
        )));
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| unavailable(path, &error))?;
    migrate::apply(&mut Open(&transaction))?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(|error| unavailable(path, &error))?;
    transaction.commit().map_err(|error| unavailable(path, &error))
}

/// The writer's life: group after group, until nobody can send any more.
fn write_groups(connection: Sqlite3, waiting: &Receiver<Job>, commits: &AtomicU64) {
    while let Ok(first) = waiting.recv() {
        let mut group = vec![first];
        while group.len() < GROUP {
            let Ok(job) = waiting.try_recv() else { break };
            group.push(job);
        }
        for (answer, result) in write_group(&connection, group, commits) {
            // Whoever asked may have gone away; the work is done all the same.
            let _ = answer.send(result);
        }
    }
    // Leaves one file behind: the log is moved into it and emptied.
    let _ = connection.pragma_update(None, "wal_checkpoint", "TRUNCATE");
}

type Answers = Vec<(oneshot::Sender<Result<(), StoreError>>, Result<(), StoreError>)>;

fn write_group(connection: &Sqlite3, group: Vec<Job>, commits: &AtomicU64) -> Answers {
    if let Err(error) = command(connection, "BEGIN IMMEDIATE") {
        return group.into_iter().map(|job| (job.answer, Err(error.clone()))).collect();
    }
    let alone = group.len() == 1;
    let mut answers: Answers = Vec::with_capacity(group.len());
    let mut lost = None;
    for Job { unit, answer } in group {
        let result = match &lost {
            // Nobody else's work is in the transaction: all of it is undone where the unit fails.
            None if alone => guarded(&unit, &mut Open(connection)),
            None => in_savepoint(connection, &unit),
            Some(error) => Err(StoreError::clone(error)),
        };
        // A full disk ends the whole transaction, not just the statement.
        if lost.is_none() && (connection.is_autocommit() || (alone && result.is_err())) {
            lost = Some(
                result
                    .as_ref()
                    .err()
                    .cloned()
                    .unwrap_or_else(|| StoreError::Unavailable("the transaction was lost".to_owned())),
            );
        }
        answers.push((answer, result));
    }
    match end(connection, lost) {
        Ok(()) => drop(commits.fetch_add(1, Ordering::Relaxed)),
        // Nothing of the group was kept, whatever its units returned.
        Err(error) => answers.iter_mut().for_each(|(_, result)| *result = Err(error.clone())),
    }
    answers
}

/// Commits, or undoes what is `lost` or cannot be committed.
fn end(connection: &Sqlite3, lost: Option<StoreError>) -> Result<(), StoreError> {
    let kept = lost.map_or_else(|| committing(|| command(connection, "COMMIT")), Err);
    if kept.is_err() && !connection.is_autocommit() {
        // Where even this fails, so does the next BEGIN, and whoever asked hears of it.
        let _ = command(connection, "ROLLBACK");
    }
    kept
}

fn in_savepoint(connection: &Sqlite3, unit: &Unit) -> Result<(), StoreError> {
    command(connection, "SAVEPOINT unit")?;
    let result = guarded(unit, &mut Open(connection));
    if result.is_err() && !connection.is_autocommit() {
        command(connection, "ROLLBACK TO unit")?;
        command(connection, "RELEASE unit")?;
    }
    result?;
    command(connection, "RELEASE unit")
}

fn read_in_transaction(connection: &Sqlite3, unit: &Unit) -> Result<(), StoreError> {
    command(connection, "BEGIN")?;
    let result = guarded(unit, &mut Open(connection));
    let ended = command(connection, "ROLLBACK");
    result.and(ended)
}

/// Runs a statement that opens or ends a transaction.
fn command(connection: &Sqlite3, sql: &str) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(|error| failed(sql, &error))?;
    statement.raw_execute().map(drop).map_err(|error| failed(sql, &error))
}

/// A connection within a transaction.
struct Open<'a>(&'a Sqlite3);

impl Open<'_> {
    fn run<T>(
        &self,
        sql: &str,
        args: &[Value],
        take: impl FnOnce(&mut rusqlite::Statement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut statement = self.0.prepare_cached(sql).map_err(|error| failed(sql, &error))?;
        let numbers = numbers(sql);
        debug_assert!(agrees(&statement, &numbers), "{sql}");
        for (index, number) in (1..=statement.parameter_count()).zip(numbers) {
            let value = args.get(number.wrapping_sub(1));
            let value = value.ok_or_else(|| StoreError::query(sql, format!("parameter ${number} has no value")))?;
            statement.raw_bind_parameter(index, value).map_err(|error| failed(sql, &error))?;
        }
        take(&mut statement).map_err(|error| failed(sql, &error))
    }
}

/// The numbers of the parameters, in the order in which SQLite counts them: that of their first appearance. It could be asked
/// for their names, one search through all of them for each.
fn numbers(sql: &str) -> Vec<usize> {
    let mut numbers: Vec<usize> = Vec::new();
    let mut seen: Vec<bool> = Vec::new();
    for at in memchr::memchr_iter(b'$', sql.as_bytes()) {
        let digits = sql[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        let Ok(number) = sql[at + 1..at + 1 + digits].parse::<usize>() else { continue };
        if seen.len() <= number {
            seen.resize(number + 1, false);
        }
        if !std::mem::replace(&mut seen[number], true) {
            numbers.push(number);
        }
    }
    numbers
}

/// Whether SQLite counts the parameters so.
fn agrees(statement: &rusqlite::Statement<'_>, numbers: &[usize]) -> bool {
    let named = (1..=statement.parameter_count()).map(|index| statement.parameter_name(index)?[1..].parse().ok());
    named.eq(numbers.iter().map(|number| Some(*number)))
}

impl Connection for Open<'_> {
    fn query(&mut self, sql: &str, args: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.run(sql, args, |statement| {
            let columns = statement.column_count();
            let mut rows = statement.raw_query();
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(Row((0..columns).map(|column| row.get_ref(column).map(value)).collect::<Result<_, _>>()?));
            }
            Ok(found)
        })
    }

    fn execute(&mut self, sql: &str, args: &[Value]) -> Result<u64, StoreError> {
        let changed = self.run(sql, args, |statement| statement.raw_execute())?;
        Ok(u64::try_from(changed).unwrap_or(0))
    }

    fn full_text(&self) -> &'static FullText {
        &full_text::SQLITE
    }

    fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        // PostgreSQL reads the mark as a comment.
        let sql = sql.replace("/* clustered */", "WITHOUT ROWID").replace("/* full text */", full_text::SQLITE.schema);
        self.0.execute_batch(&sql).map_err(|error| failed(&sql, &error))
    }
}

fn value(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(int) => Value::Int(int),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Int(int) => ValueRef::Integer(*int),
            Self::Bool(bool) => ValueRef::Integer(i64::from(*bool)),
            Self::Real(real) => ValueRef::Real(*real),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn failed(sql: &str, error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => StoreError::Conflict(error.to_string()),
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::OutOfMemory,
        ) => StoreError::Unavailable(error.to_string()),
        _ => StoreError::query(sql, error),
    }
}
