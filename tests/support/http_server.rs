//! A scripted HTTP/1.1 server on loopback: it serves what a test tells it to, misbehaves on command, and
//! remembers every request byte for byte.
//!
//! It runs on threads of its own, so it works in a plain `#[test]`, under tokio, and against a child process.
//!
//! ```ignore
//! let server = HttpServer::start().await;
//! server.route("/feed.xml", Reply::ok("application/xml", "<rss/>").with_etag("\"v1\""));
//! server.sequence("/flaky", vec![Reply::status(503), Reply::ok("text/plain", "back")]);
//! let url = server.url("/feed.xml");
//! assert_eq!(server.requests("/feed.xml").len(), 1);
//! ```

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

pub mod reply;

use reply::Body;
pub use reply::Reply;

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// What follows `?`; empty where there is none.
    pub query: String,
    /// Names and values in the order sent, values as sent.
    pub headers: Vec<(String, String)>,
    /// The body, as far as `Content-Length` says.
    pub body: Vec<u8>,
    /// When its head had been read.
    pub at: Instant,
}

impl Seen {
    /// The value of the first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What is yet to be answered on a path: replies in turn, the last one for ever.
type Script = VecDeque<Reply>;

#[derive(Default)]
struct Shared {
    scripts: Mutex<HashMap<String, Script>>,
    seen: Mutex<Vec<Seen>>,
    open: Mutex<Vec<TcpStream>>,
    connections: AtomicUsize,
    busy: AtomicUsize,
    peak: AtomicUsize,
    stopped: AtomicBool,
}

/// The server. It stops when dropped.
pub struct HttpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl HttpServer {
    /// A server without routes on a free port of 127.0.0.1: every path answers 404.
    pub async fn start() -> Self {
        Self::start_blocking()
    }

    /// [`HttpServer::start`] for tests without a runtime.
    pub fn start_blocking() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// Answers `path` with `reply` from now on.
    pub fn route(&self, path: &str, reply: Reply) {
        self.sequence(path, vec![reply]);
    }

    /// Answers `path` with each of `replies` in turn, then with the last one again and again.
    pub fn sequence(&self, path: &str, replies: Vec<Reply>) {
        lock(&self.shared.scripts).insert(path.to_owned(), replies.into());
    }

    /// Forgets `path`: it answers 404 again.
    pub fn remove(&self, path: &str) {
        lock(&self.shared.scripts).remove(path);
    }

    /// The requests for `path` so far, in order.
    pub fn requests(&self, path: &str) -> Vec<Seen> {
        lock(&self.shared.seen).iter().filter(|seen| seen.path == path).cloned().collect()
    }

    /// Every request so far, in order.
    pub fn all_requests(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// The absolute URL of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The most requests that were being answered at one moment.
    pub fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::SeqCst)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for stream in lock(&self.shared.open).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts, so that it sees the flag and gives the port back.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        if let Ok(copy) = stream.try_clone() {
            lock(&shared.open).push(copy);
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let _ = converse(&stream, &shared);
            let _ = stream.shutdown(Shutdown::Both);
        });
    }
}

/// Answers requests on one connection until either side closes it.
fn converse(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut pending = Vec::new();
    while let Some(request) = read_request(stream, &mut pending)? {
        let now = shared.busy.fetch_add(1, Ordering::SeqCst) + 1;
        shared.peak.fetch_max(now, Ordering::SeqCst);
        let reply = next_reply(shared, &request.path).for_request(&request);
        lock(&shared.seen).push(request);
        let outcome = send(stream, &reply, shared);
        shared.busy.fetch_sub(1, Ordering::SeqCst);
        if !outcome? {
            break;
        }
    }
    Ok(())
}

fn next_reply(shared: &Shared, path: &str) -> Reply {
    let mut scripts = lock(&shared.scripts);
    match scripts.get_mut(path) {
        Some(script) if script.len() > 1 => script.pop_front().expect("it holds two or more"),
        Some(script) => script.front().cloned().unwrap_or_else(|| Reply::status(404)),
        None => Reply::status(404),
    }
}

/// The next request, or `None` where the client closed the connection.
fn read_request(mut stream: &TcpStream, pending: &mut Vec<u8>) -> io::Result<Option<Seen>> {
    let mut buffer = [0; 8192];
    let head_end = loop {
        if let Some(at) = pending.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            count => pending.extend_from_slice(&buffer[..count]),
        }
    };
    let head = String::from_utf8_lossy(&pending[..head_end]).into_owned();
    pending.drain(..head_end + 4);
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut seen = Seen { method, path, query, headers, body: Vec::new(), at: Instant::now() };
    let length: usize = seen.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while pending.len() < length {
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            count => pending.extend_from_slice(&buffer[..count]),
        }
    }
    seen.body = pending.drain(..length).collect();
    Ok(Some(seen))
}

/// Sends `reply`; true where the connection can carry another request.
fn send(mut stream: &TcpStream, reply: &Reply, shared: &Shared) -> io::Result<bool> {
    thread::sleep(reply.delay);
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let sized = |length: usize| format!("{head}Content-Length: {length}\r\n\r\n");
    let unsized_head = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
    match &reply.body {
        Body::Whole(_) if reply.status == 304 => stream.write_all(format!("{head}\r\n").as_bytes())?,
        Body::Whole(bytes) => stream.write_all(&[sized(bytes.len()).as_bytes(), bytes].concat())?,
        Body::Chunked(bytes, size) => {
            stream.write_all(unsized_head.as_bytes())?;
            bytes.chunks(*size).try_for_each(|chunk| write_chunk(stream, chunk))?;
            stream.write_all(b"0\r\n\r\n")?;
        }
        Body::Truncated(bytes) => {
            stream.write_all(&[sized(bytes.len() + 1000).as_bytes(), bytes].concat())?;
            return Ok(false);
        }
        Body::Endless(chunk) => {
            stream.write_all(unsized_head.as_bytes())?;
            while !shared.stopped.load(Ordering::SeqCst) {
                write_chunk(stream, chunk)?;
            }
        }
        Body::Dripping(bytes, interval) => {
            stream.write_all(sized(bytes.len()).as_bytes())?;
            for byte in bytes {
                thread::sleep(*interval);
                stream.write_all(&[*byte])?;
            }
        }
        Body::Stalled(bytes) => {
            stream.write_all(&[sized(bytes.len() + 1000).as_bytes(), bytes].concat())?;
            return wait_for_the_client(stream);
        }
        Body::Silence => return wait_for_the_client(stream),
        Body::HangUp => return Ok(false),
        Body::Raw(bytes) => {
            stream.write_all(bytes)?;
            return Ok(false);
        }
    }
    Ok(true)
}

fn write_chunk(mut stream: &TcpStream, chunk: &[u8]) -> io::Result<()> {
    stream.write_all(&[format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
}

/// Says nothing until the client, or the end of the server, closes the connection.
fn wait_for_the_client(mut stream: &TcpStream) -> io::Result<bool> {
    while stream.read(&mut [0; 256])? > 0 {}
    Ok(false)
}
