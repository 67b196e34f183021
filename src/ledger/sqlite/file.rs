//! The ledger's file: who may open it, how connections are set up, and its versions.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use crate::error::StoreError;

/// One script for each version, in order; `user_version` says how many a file has had.
const VERSIONS: [&str; 1] = [include_str!("schema/1.sql")];

/// `user_version` of a file that is up to date.
const CURRENT: i64 = 1;

/// Marks the file as ours in its header: `WGLG`.
const APPLICATION_ID: i64 = 0x5747_4C47;

/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 32;

/// Keeps other processes from writing while it lives.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
}

/// Takes the lock file beside the ledger; the system drops it with the process.
pub(super) fn lock(path: &Path) -> Result<FileLock, StoreError> {
    let path = beside(path, ".lock");
    let file = owner_only()
        .open(&path)
        .map_err(|error| io_error(format!("cannot open `{}`", path.display()), error))?;
    match file.try_lock() {
        Ok(()) => Ok(FileLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(StoreError::new(
            "ledger",
            format!(
                "`{}` is locked: another process writes this ledger; stop it, or give this one a \
                 ledger of its own",
                path.display()
            ),
            false,
        )),
        Err(TryLockError::Error(error)) => {
            Err(io_error(format!("cannot lock `{}`", path.display()), error))
        }
    }
}

/// The connection that writes; makes the file where there is none.
pub(super) fn writer(path: &Path) -> Result<Connection, StoreError> {
    make(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let cannot = |error| failed(format!("cannot open `{}`", path.display()), error);
    let connection = Connection::open_with_flags(path, flags).map_err(cannot)?;
    // before anything is changed in a file that may be somebody else's
    let version = version_to_bring_up(path, &connection)?;
    let log = prepare_to_write(&connection).map_err(cannot)?;
    if log != "wal" {
        let what = format!("`{}` cannot have a write-ahead log here", path.display());
        return Err(StoreError::new("ledger", what, false));
    }
    bring_up(&connection, version).map_err(cannot)?;
    // SQLite ignores it when this fails
    sync_folder(path)
        .map_err(|error| io_error(format!("cannot sync `{}`", path.display()), error))?;
    Ok(connection)
}

fn prepare_to_write(connection: &Connection) -> rusqlite::Result<String> {
    connection.busy_timeout(Duration::from_secs(1))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // every commit is on the disk before it returns
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "fullfsync", true)?;
    // SQLite forgets the errors of checkpoints that it makes by itself: the writer makes them
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // plans do not depend on values: else each statement is prepared anew for each row
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
}

/// A connection that only reads; works beside a process that writes.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let connect = || -> rusqlite::Result<(Connection, i64)> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "query_only", true)?;
        let version = user_version(&connection)?;
        Ok((connection, version))
    };
    let what = || format!("cannot read `{}`", path.display());
    let (connection, version) = connect().map_err(|error| failed(what(), error))?;
    if version == CURRENT {
        return Ok(connection);
    }
    Err(unfit(path, version))
}

/// Makes an empty file that only its owner can read: it will hold field values.
fn make(path: &Path) -> Result<(), StoreError> {
    match owner_only().create_new(true).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(io_error(format!("cannot make `{}`", path.display()), error))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Makes the names of the file and of its log durable.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    options
}

/// The file's version, where it is a ledger that we can write.
fn version_to_bring_up(path: &Path, connection: &Connection) -> Result<i64, StoreError> {
    let look = || -> rusqlite::Result<(i64, bool)> {
        let count = "SELECT count(*) FROM sqlite_schema";
        let tables: i64 = connection.query_row(count, [], |row| row.get(0))?;
        Ok((user_version(connection)?, tables == 0))
    };
    let (version, empty) =
        look().map_err(|error| failed(format!("cannot read `{}`", path.display()), error))?;
    if !(0..=CURRENT).contains(&version) || (version == 0 && !empty) {
        return Err(unfit(path, version));
    }
    Ok(version)
}

/// Runs the scripts that the file has not had, each in a transaction.
fn bring_up(connection: &Connection, version: i64) -> rusqlite::Result<()> {
    let steps = usize::try_from(version).unwrap_or(usize::MAX);
    for (script, number) in VERSIONS.iter().zip(1_i64..).skip(steps) {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE;\n{script}\nPRAGMA application_id = {APPLICATION_ID};\n\
             PRAGMA user_version = {number};\nCOMMIT;"
        ))?;
    }
    Ok(())
}

fn user_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn unfit(path: &Path, version: i64) -> StoreError {
    let path = path.display();
    let what = if version > CURRENT {
        format!("`{path}` was written by a newer version of writegate (file version {version})")
    } else if version > 0 {
        format!("`{path}` is of an older version (file version {version}): start the server once")
    } else {
        format!("`{path}` is not a ledger")
    };
    StoreError::new("ledger", what, false)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn io_error(what: String, error: std::io::Error) -> StoreError {
    StoreError::caused("ledger", what, false, error)
}

/// An error of SQLite as the store's.
pub(super) fn failed(what: impl Into<String>, error: rusqlite::Error) -> StoreError {
    StoreError::caused("ledger", what, passes(&error), error)
}

/// Whether the cause may pass by itself. What was lost after a failed sync does not come back by
/// syncing again, so an error of the disk never passes but for one that says it is full.
pub(super) fn passes(error: &rusqlite::Error) -> bool {
    let Some(code) = error.sqlite_error() else {
        return false;
    };
    matches!(
        code.code,
        ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked
    ) || code.extended_code == ffi::SQLITE_IOERR_SHMSIZE
}
