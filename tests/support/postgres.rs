//! A real PostgreSQL for tests: Debian's, in a private folder, on a free port of loopback. It ends when the tests do,
//! however they end.
//!
//! Where it is not installed the tests of that half are skipped loudly. `TEST_POSTGRES_URL` names a running server to
//! use instead; databases are created in it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rattlewatch::store::Location;

/// A database of one engine, empty, for one test.
pub struct Engine {
    /// `SQLite` or `PostgreSQL`.
    pub name: &'static str,
    /// Where it is.
    pub location: Location,
    /// What `RATTLEWATCH_DATABASE_URL` must say.
    pub url: String,
    _folder: Option<tempfile::TempDir>,
}

/// A fresh database of each engine that is there.
pub fn engines() -> Vec<Engine> {
    let mut engines = vec![sqlite()];
    engines.extend(postgres());
    engines
}

/// A fresh SQLite file.
pub fn sqlite() -> Engine {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("test.db");
    Engine { name: "SQLite", url: path.display().to_string(), location: Location::Sqlite(path), _folder: Some(folder) }
}

/// A fresh PostgreSQL database, where a server can be had.
pub fn postgres() -> Option<Engine> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = server()?;
    let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
    let base = server.clone();
    let create = format!("CREATE DATABASE {name}");
    // The client must not be used on a thread of a runtime.
    let made = std::thread::spawn(move || {
        let mut client = postgres::Client::connect(&format!("{base}/postgres"), postgres::NoTls)?;
        client.batch_execute(&create)
    });
    made.join().expect("the thread ends").expect("a database can be created");
    let url = format!("{server}/{name}");
    Some(Engine {
        name: "PostgreSQL",
        location: Location::Postgres { url: url.clone(), ca_pem: None },
        url,
        _folder: None,
    })
}

/// The server's URL without a database, started once for all tests of this process.
fn server() -> Option<String> {
    static SERVER: OnceLock<Option<String>> = OnceLock::new();
    SERVER
        .get_or_init(|| {
            if let Ok(url) = std::env::var("TEST_POSTGRES_URL") {
                return Some(url.trim_end_matches('/').to_owned());
            }
            let Some(programs) = programs() else {
                eprintln!("SKIPPED on PostgreSQL: /usr/lib/postgresql/*/bin/initdb is not there; install Debian's package `postgresql`");
                return None;
            };
            Some(start(&programs))
        })
        .clone()
}

fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

/// A command that runs as an unprivileged user: PostgreSQL refuses to run as root.
fn unprivileged(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("`id` runs");
    id.stdout.starts_with(b"0\n")
}

#[expect(clippy::zombie_processes, reason = "the server outlives this function; a watcher ends it")]
fn start(programs: &Path) -> String {
    let folder = std::env::temp_dir().join(format!("rattlewatch-test-postgres-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the server");
    if is_root() {
        let owned = Command::new("chown").arg("postgres:postgres").arg(&folder).status().expect("`chown` runs");
        assert!(owned.success(), "the folder of the server belongs to it");
    }
    let data = folder.join("data");
    let made = unprivileged(&programs.join("initdb"))
        .args(["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"])
        .arg(&data)
        .current_dir("/")
        .stdout(Stdio::null())
        .status()
        .expect("initdb runs");
    assert!(made.success(), "initdb makes a database cluster");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
    let server = unprivileged(&programs.join("postgres"))
        .arg("-D")
        .arg(&data)
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-c", "max_connections=300", "-c", "fsync=off", "-k"])
        .arg(&folder)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server starts");
    watch(server.id(), &folder);
    let url = format!("postgres://postgres@127.0.0.1:{port}");
    await_server(&url);
    url
}

/// A process that outlives this one, to end the server and remove its folder.
#[expect(clippy::zombie_processes, reason = "it ends after this process does")]
fn watch(server: u32, folder: &Path) {
    let script = format!(
        "while kill -0 {} 2>/dev/null; do sleep 0.3; done; kill -INT {server}; sleep 1; kill -QUIT {server} 2>/dev/null; rm -rf '{}'",
        std::process::id(),
        folder.display()
    );
    Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("`sh` runs");
}

fn await_server(url: &str) {
    let url = format!("{url}/postgres");
    let begun = Instant::now();
    let ready = std::thread::spawn(move || {
        while begun.elapsed() < Duration::from_secs(30) {
            if postgres::Client::connect(&url, postgres::NoTls).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    });
    assert!(ready.join().expect("the thread ends"), "PostgreSQL answers within 30 s");
}
