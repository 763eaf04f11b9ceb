//! A mail server (IMAP4rev1) on loopback, over real TLS, that misbehaves on command and remembers what it was asked.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}
type Stream = BufReader<Box<dyn Io>>;

/// What the server does instead of behaving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// Takes the connection and says nothing.
    NeverGreets,
    /// Greets with BYE.
    TurnsAway,
    /// Greets as another protocol does.
    OtherProtocol,
    /// Counts the client as signed in at once.
    Preauth,
    /// Says more than its answer to STARTTLS, in the clear.
    SpeaksBeforeTls,
    /// Sends the first half of a message and then nothing.
    HangsInLiteral,
    /// Announces a message of four gigabytes.
    HugeLiteral,
    /// Answers the search with lines without end.
    EndlessLines,
    /// Answers the search with one line without end.
    EndlessLine,
    /// Says BYE and closes when messages are asked for.
    ByeAtFetch,
    /// Closes without a word when messages are asked for.
    DropsAtFetch,
    /// States one byte as the size of each message.
    LiesOfSize,
    /// Refuses the password whatever it is, for a reason that will pass.
    Unavailable,
}

/// What the server holds and offers.
#[derive(Clone, Debug)]
pub struct State {
    /// UID and message, by UID.
    pub messages: Vec<(u32, Vec<u8>)>,
    pub validity: u32,
    pub capabilities: String,
    pub folder: String,
    pub user: String,
    pub password: String,
    pub fault: Fault,
}

struct Shared {
    state: Mutex<State>,
    commands: Mutex<Vec<String>>,
    acceptor: TlsAcceptor,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server; it stops when dropped.
pub struct ImapServer {
    port: u16,
    ca_pem: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for ImapServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ImapServer {
    /// A server that speaks TLS from the first byte.
    pub async fn start() -> Self {
        Self::launch(true).await
    }

    /// A server that offers STARTTLS.
    pub async fn start_plain() -> Self {
        Self::launch(false).await
    }

    async fn launch(implicit: bool) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a server configuration");
        let starttls = if implicit { "" } else { " STARTTLS LOGINDISABLED" };
        let state = State {
            messages: Vec::new(),
            validity: 7,
            capabilities: format!("IMAP4rev1 SASL-IR AUTH=PLAIN{starttls}"),
            folder: "INBOX".to_owned(),
            user: "alerts@msp.example".to_owned(),
            password: "pass \"word\"".to_owned(),
            fault: Fault::None,
        };
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let shared = Arc::new(Shared { state: Mutex::new(state), commands: Mutex::default(), acceptor });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let port = listener.local_addr().expect("the port").port();
        let server = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&server);
                sessions.spawn(async move { drop(serve(&shared, Box::new(stream), implicit).await) });
            }
        });
        Self { port, ca_pem: made.cert.pem(), shared, task }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Changes what it holds or how it behaves, from the next command on.
    pub fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.shared.state));
    }

    /// Adds a message under this UID.
    pub fn deliver(&self, uid: u32, message: &[u8]) {
        self.set(|state| state.messages.push((uid, message.to_vec())));
    }

    /// Every command so far, without its tag.
    pub fn commands(&self) -> Vec<String> {
        lock(&self.shared.commands).clone()
    }

    /// How many messages were asked for whole.
    pub fn bodies_asked(&self) -> usize {
        self.commands().iter().filter(|line| line.contains("BODY.PEEK[])")).count()
    }
}

fn state(shared: &Shared) -> State {
    lock(&shared.state).clone()
}

async fn stall() -> io::Result<()> {
    tokio::time::sleep(Duration::from_secs(600)).await;
    Ok(())
}

async fn say(stream: &mut Stream, text: impl AsRef<[u8]>) -> io::Result<()> {
    stream.write_all(text.as_ref()).await?;
    stream.write_all(b"\r\n").await?;
    stream.flush().await
}

async fn tls(shared: &Shared, plain: Box<dyn Io>) -> io::Result<Stream> {
    Ok(BufReader::new(Box::new(shared.acceptor.accept(plain).await?) as Box<dyn Io>))
}

async fn serve(shared: &Shared, plain: Box<dyn Io>, implicit: bool) -> io::Result<()> {
    let mut stream = if implicit { tls(shared, plain).await? } else { BufReader::new(plain) };
    match state(shared).fault {
        Fault::NeverGreets => return stall().await,
        Fault::TurnsAway => return say(&mut stream, "* BYE too many connections").await,
        Fault::OtherProtocol => return say(&mut stream, "220 mail.test ESMTP").await,
        Fault::Preauth => say(&mut stream, "* PREAUTH welcome back").await?,
        _ => say(&mut stream, "* OK IMAP4rev1 ready").await?,
    }
    let mut signed_in = state(shared).fault == Fault::Preauth;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let (tag, command) = line.split_once(' ').unwrap_or((line, ""));
        lock(&shared.commands).push(command.to_owned());
        let now = state(shared);
        let word = command.split(' ').next().unwrap_or_default();
        match word {
            "CAPABILITY" => {
                say(&mut stream, format!("* CAPABILITY {}\r\n{tag} OK done", now.capabilities)).await?;
            }
            "STARTTLS" => {
                let more =
                    if now.fault == Fault::SpeaksBeforeTls { "\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN" } else { "" };
                say(&mut stream, format!("{tag} OK go on{more}")).await?;
                stream = tls(shared, stream.into_inner()).await?;
                set_capabilities_after_tls(shared);
            }
            "AUTHENTICATE" | "LOGIN" => signed_in = sign_in(&mut stream, &now, tag, command).await?,
            "LOGOUT" => return say(&mut stream, format!("* BYE see you\r\n{tag} OK done")).await,
            _ if !signed_in => say(&mut stream, format!("{tag} BAD sign in first")).await?,
            "EXAMINE" => examine(&mut stream, &now, tag, command).await?,
            "UID" if command.starts_with("UID SEARCH ") => search(&mut stream, &now, tag, &command[11..]).await?,
            "UID" if command.starts_with("UID FETCH ") => fetch(&mut stream, &now, tag, &command[10..]).await?,
            _ => say(&mut stream, format!("{tag} BAD what is '{command}'?")).await?,
        }
    }
}

fn set_capabilities_after_tls(shared: &Shared) {
    let mut state = lock(&shared.state);
    state.capabilities = state.capabilities.replace(" STARTTLS LOGINDISABLED", "");
}

async fn sign_in(stream: &mut Stream, now: &State, tag: &str, command: &str) -> io::Result<bool> {
    if now.fault == Fault::Unavailable {
        say(stream, format!("{tag} NO [UNAVAILABLE] the directory is down")).await?;
        return Ok(false);
    }
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let secret = encoded(format!("\0{}\0{}", now.user, now.password).as_bytes());
    let right = match command.strip_prefix("AUTHENTICATE PLAIN") {
        Some("") => {
            say(stream, "+ ").await?;
            let mut answer = String::new();
            stream.read_line(&mut answer).await?;
            answer.trim_end() == secret
        }
        Some(answer) => answer.trim() == secret,
        None => command == format!("LOGIN {} {}", quoted(&now.user), quoted(&now.password)),
    };
    let answer = if right { "OK welcome" } else { "NO [AUTHENTICATIONFAILED] wrong user or password" };
    say(stream, format!("{tag} {answer}")).await?;
    Ok(right)
}

async fn examine(stream: &mut Stream, now: &State, tag: &str, command: &str) -> io::Result<()> {
    if command != format!("EXAMINE \"{}\"", now.folder) {
        return say(stream, format!("{tag} NO [NONEXISTENT] no such folder")).await;
    }
    let next = now.messages.iter().map(|(uid, _)| uid + 1).max().unwrap_or(1);
    let text = format!(
        "* FLAGS (\\Answered \\Seen)\r\n* {} EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY {}] fine\r\n* OK [UIDNEXT {next}] guess\r\n\
         {tag} OK [READ-ONLY] done",
        now.messages.len(),
        now.validity
    );
    say(stream, text).await
}

async fn search(stream: &mut Stream, now: &State, tag: &str, criteria: &str) -> io::Result<()> {
    match now.fault {
        Fault::EndlessLines => loop {
            stream.write_all("* 1 EXPUNGE\r\n".repeat(1_000).as_bytes()).await?;
        },
        Fault::EndlessLine => {
            stream.write_all(b"* SEARCH").await?;
            loop {
                stream.write_all(" 1 2 3 4 5 6 7 8 9".repeat(1_000).as_bytes()).await?;
            }
        }
        _ => {}
    }
    let last = now.messages.last().map_or(0, |(uid, _)| *uid);
    let words: Vec<&str> = criteria.split(' ').collect();
    let from = |range: &str| range.split(':').next().and_then(|from| from.parse::<u32>().ok()).unwrap_or(1);
    let found: Vec<String> = match words[..] {
        // `n:*` names the last message in any case.
        [.., "UID", range] => {
            let from = from(range).min(last);
            now.messages.iter().filter(|(uid, _)| *uid >= from).map(|(uid, _)| uid.to_string()).collect()
        }
        ["SINCE", _] => now.messages.iter().map(|(uid, _)| uid.to_string()).collect(),
        [range] => now.messages.iter().skip(from(range) as usize - 1).map(|(uid, _)| uid.to_string()).collect(),
        _ => return say(stream, format!("{tag} BAD criteria")).await,
    };
    let list: String = found.iter().map(|uid| format!(" {uid}")).collect();
    say(stream, format!("* SEARCH{list}\r\n{tag} OK done")).await
}

async fn fetch(stream: &mut Stream, now: &State, tag: &str, arguments: &str) -> io::Result<()> {
    let (set, items) = arguments.split_once(' ').unwrap_or((arguments, ""));
    let wanted: Vec<u32> = set.split(',').filter_map(|uid| uid.parse().ok()).collect();
    for (number, (uid, message)) in (1..).zip(&now.messages).filter(|(_, (uid, _))| wanted.contains(uid)) {
        // Something that nobody asked for, as servers send it.
        say(stream, format!("* {number} FETCH (FLAGS (\\Seen))")).await?;
        if items.contains("HEADER.FIELDS (FROM)") {
            let text = String::from_utf8_lossy(message);
            let from: String = text
                .lines()
                .take_while(|line| !line.is_empty())
                .filter(|line| line.starts_with("From:"))
                .map(|line| format!("{line}\r\n"))
                .collect();
            let size = if now.fault == Fault::LiesOfSize { 1 } else { message.len() };
            let length = from.len() + 2;
            let head = format!(
                "* {number} FETCH (UID {uid} RFC822.SIZE {size} BODY[HEADER.FIELDS (FROM)] {{{length}}}\r\n{from}\r\n)"
            );
            say(stream, head).await?;
            continue;
        }
        match now.fault {
            Fault::DropsAtFetch => return Err(io::ErrorKind::ConnectionReset.into()),
            Fault::ByeAtFetch => {
                say(stream, "* BYE shutting down").await?;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Fault::HugeLiteral => {
                say(stream, format!("* {number} FETCH (UID {uid} BODY[] {{4294967296}}")).await?;
                return stall().await;
            }
            Fault::HangsInLiteral => {
                say(stream, format!("* {number} FETCH (UID {uid} BODY[] {{{}}}", message.len())).await?;
                stream.write_all(&message[..message.len() / 2]).await?;
                stream.flush().await?;
                return stall().await;
            }
            _ => {}
        }
        stream.write_all(format!("* {number} FETCH (BODY[] {{{}}}\r\n", message.len()).as_bytes()).await?;
        stream.write_all(message).await?;
        say(stream, format!(" UID {uid})")).await?;
    }
    say(stream, format!("{tag} OK done")).await
}

/// Base64 (RFC 4648 section 4).
fn encoded(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0_usize, |number, at| number << 8 | usize::from(*three.get(at).unwrap_or(&0)));
        for digit in 0..4 {
            let shown = digit <= three.len();
            text.push(if shown { char::from(DIGITS[number >> (18 - 6 * digit) & 63]) } else { '=' });
        }
    }
    text
}
