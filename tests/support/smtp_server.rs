//! An SMTP server on loopback that keeps what it accepts and misbehaves on command.
//!
//! Without a script it is an honest, fast sink. A [`Script`] is a list of rules; the first one that fits the
//! present [`Phase`] decides. `Dot` with [`Act::DropAccepted`] is the case that matters most: the mail is taken,
//! and the client never hears of it.

mod script;
mod session;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

#[allow(unused_imports, reason = "each test binary uses a part of it")]
pub use script::{Act, Phase, Rule, Script};
use session::Session;

/// A mail the server took.
#[derive(Clone, Debug)]
pub struct Received {
    /// Which connection brought it (from 1).
    pub connection: usize,
    /// Envelope sender.
    pub from: String,
    /// Envelope recipients.
    pub to: Vec<String>,
    /// The text with dots unstuffed, CRLF line ends.
    pub data: Vec<u8>,
    pub at: Instant,
    /// It came over TLS.
    pub tls: bool,
    /// Who signed in.
    pub user: Option<String>,
}

impl Received {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }
}

struct Shared {
    script: Mutex<Script>,
    messages: Mutex<Vec<Received>>,
    commands: Mutex<Vec<String>>,
    transactions: Mutex<Vec<(SystemTime, String)>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    mails: AtomicUsize,
    acceptor: TlsAcceptor,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server; it stops when dropped.
pub struct SmtpServer {
    port: u16,
    implicit_tls: bool,
    ca_pem: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SmtpServer {
    /// An honest server without TLS.
    pub async fn start() -> Self {
        Self::start_with(Script::default()).await
    }

    /// A plain (or STARTTLS) server that follows `script`.
    pub async fn start_with(script: Script) -> Self {
        Self::launch(script, false).await
    }

    /// A server that speaks TLS from the first byte.
    pub async fn start_implicit_tls(script: Script) -> Self {
        Self::launch(script, true).await
    }

    async fn launch(script: Script, implicit_tls: bool) -> Self {
        let (acceptor, ca_pem) = certificate(&script.certificate_names);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let port = listener.local_addr().expect("the port").port();
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            messages: Mutex::default(),
            commands: Mutex::default(),
            transactions: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            mails: AtomicUsize::new(0),
            acceptor,
        });
        let server = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let number = server.connections.fetch_add(1, Ordering::SeqCst) + 1;
                let shared = Arc::clone(&server);
                sessions.spawn(async move {
                    let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
                    shared.most_open.fetch_max(open, Ordering::SeqCst);
                    let mut session = Session::new(Arc::clone(&shared), number, Box::new(stream));
                    let _ = session.run(implicit_tls).await;
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, implicit_tls, ca_pem, shared, task }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `smtp://127.0.0.1:PORT`, or `smtps://localhost:PORT` for implicit TLS.
    pub fn url(&self) -> String {
        if self.implicit_tls {
            format!("smtps://localhost:{}", self.port)
        } else {
            format!("smtp://127.0.0.1:{}", self.port)
        }
    }

    /// The self-signed certificate to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Replaces the script, from the next command on.
    pub fn script(&self, script: Script) {
        *lock(&self.shared.script) = script;
    }

    /// Every mail taken so far, in order.
    pub fn messages(&self) -> Vec<Received> {
        lock(&self.shared.messages).clone()
    }

    pub fn message_count(&self) -> usize {
        lock(&self.shared.messages).len()
    }

    /// Waits until `count` mails have come; panics after `limit`.
    pub async fn wait_for(&self, count: usize, limit: Duration) -> Vec<Received> {
        let end = Instant::now() + limit;
        while self.message_count() < count {
            assert!(Instant::now() < end, "{} of {count} mails came within {limit:?}", self.message_count());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.messages()
    }

    /// Connections taken so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// The most connections that were open at once.
    pub fn most_open(&self) -> usize {
        self.shared.most_open.load(Ordering::SeqCst)
    }

    /// Every command line received, such as `1 MAIL FROM:<a@b.test>`: the connection's number, then the line.
    pub fn commands(&self) -> Vec<String> {
        lock(&self.shared.commands).clone()
    }

    /// Every recipient named so far, with the time of the MAIL that began its transaction.
    pub fn transactions(&self) -> Vec<(SystemTime, String)> {
        lock(&self.shared.transactions).clone()
    }

    /// Transactions begun so far.
    pub fn mails(&self) -> usize {
        self.shared.mails.load(Ordering::SeqCst)
    }

    /// How many commands began with `verb`.
    pub fn count(&self, verb: &str) -> usize {
        lock(&self.shared.commands).iter().filter(|line| line.split(' ').nth(1) == Some(verb)).count()
    }
}

fn certificate(names: &[String]) -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(names.to_vec()).expect("a self-signed certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("default protocol versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a server configuration");
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}
