//! One connection to a mail server. Each wait has its own limit, each answer its size, and nothing that was said
//! before a TLS handshake is believed after it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::response::{Response, Status};
use crate::http::guard::PortRule;
use crate::http::{Guard, Refusal, tls};
use crate::mailbox::{Limits, MailError};
use crate::model::text;

/// Most untagged answers to one command.
const ANSWERS_MAX: usize = 20_000;
/// Most pieces of one answer.
const PIECES_MAX: usize = 64;
/// Ports of public mail servers.
const MAIL_PORTS: [u16; 2] = [143, 993];
/// Most of a server's words that are shown, in characters.
const SAID_MAX: usize = 200;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What an answer may cost, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// All of it.
    pub answer: usize,
    /// One literal in it.
    pub literal: usize,
}

/// Room for answers that hold no messages.
pub(super) const SMALL: Room = Room { answer: 256 * 1024, literal: 64 * 1024 };

/// A connection.
pub(super) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    host: String,
    command: Duration,
    tag: u32,
}

/// What a command gave.
pub(super) struct Reply {
    pub answers: Vec<Response>,
    pub status: Status,
    pub text: String,
}

impl Connection {
    /// Connects to the first address of the host that answers, if the guard permits all of them.
    pub(super) async fn dial(host: &str, port: u16, guard: &Guard, limits: &Limits) -> Result<Self, MailError> {
        let shown = format!("{host}:{port}");
        let found = timeout(limits.connect, lookup_host((host, port))).await;
        let found: Vec<SocketAddr> = match found {
            Ok(Ok(found)) => found.take(8).collect(),
            _ => return Err(failed(&shown, "cannot be found; check the spelling and this machine's DNS")),
        };
        let rule = if MAIL_PORTS.contains(&port) { PortRule::Usual } else { PortRule::ListedOnly(port) };
        // One bad address spoils the name: otherwise the order of the answers would decide what is reached.
        for address in &found {
            guard.check_address(address.ip(), rule).map_err(|refusal| match refusal {
                Refusal::Port(port) => {
                    let why = format!("is not dialed: {port} is no port of a mail server; use 993 or 143");
                    failed(&shown, &why)
                }
                other => failed(&shown, &format!("is not dialed: {other}")),
            })?;
        }
        let share = limits.connect / u32::try_from(found.len().max(1)).unwrap_or(1);
        let mut why = "its name has no address".to_owned();
        for address in found {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    let stream = BufReader::new(Box::new(stream) as Box<dyn Stream>);
                    return Ok(Self { stream, host: shown, command: limits.command, tag: 0 });
                }
                Ok(Err(error)) => why = error.to_string(),
                Err(_) => why = format!("{address} does not answer within {share:?}"),
            }
        }
        Err(failed(&shown, &format!("cannot be reached ({why}); check its host and port")))
    }

    /// Goes on over TLS, verified for the name `host`.
    pub(super) async fn secure(
        self,
        host: &str,
        limits: &Limits,
        extra_ca_pem: Option<&[u8]>,
    ) -> Result<Self, MailError> {
        let shown = self.host.clone();
        if !self.stream.buffer().is_empty() {
            // Somebody on the way speaks for the server: what is said in the clear must not count as said in TLS.
            return Err(failed(&shown, "speaks before TLS has begun; somebody may be tampering with the connection"));
        }
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| failed(&shown, "has a name that no certificate can bear"))?;
        let pem = extra_ca_pem.map(<[u8]>::to_vec);
        // Reading the machine's certificates is work for a disk.
        let config = tokio::task::spawn_blocking(move || tls::client_config(pem.as_deref())).await;
        let config = match config {
            Ok(Ok(config)) => config,
            Ok(Err(error)) => return Err(failed(&shown, &error.to_string())),
            Err(error) => return Err(failed(&shown, &format!("TLS cannot be set up: {error}"))),
        };
        let mut config = Arc::unwrap_or_clone(config);
        config.alpn_protocols.clear();
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, self.stream.into_inner());
        match timeout(limits.connect, handshake).await {
            Ok(Ok(stream)) => {
                let stream = BufReader::new(Box::new(stream) as Box<dyn Stream>);
                Ok(Self { stream, host: shown, command: self.command, tag: self.tag })
            }
            Ok(Err(error)) => {
                let hint = "if its authority is your own, name its file in SSL_CERT_FILE";
                Err(failed(&shown, &format!("fails the TLS handshake ({error}); {hint}")))
            }
            Err(_) => Err(failed(&shown, &format!("does not finish the TLS handshake within {:?}", limits.connect))),
        }
    }

    /// The first thing that the server says; true where it counts us as signed in already.
    pub(super) async fn greeting(&mut self) -> Result<bool, MailError> {
        let limit = self.command;
        let mut room = SMALL;
        let read = timeout(limit, self.read(&mut room)).await;
        let greeting = self.heard("the greeting", limit, read)?;
        if let Some(said) = greeting.untagged("BYE") {
            return Err(failed(&self.host, &format!("turns us away: '{}'", shown(&said))));
        }
        match (greeting.untagged("OK"), greeting.untagged("PREAUTH")) {
            (Some(_), _) => Ok(false),
            (_, Some(_)) => Ok(true),
            _ => Err(failed(&self.host, "does not greet as a mail server (IMAP) does; check the port")),
        }
    }

    /// Sends a command and reads what comes until its end. `more` goes out where the server asks for it.
    pub(super) async fn command(
        &mut self,
        what: &str,
        line: &str,
        more: Option<&str>,
        room: Room,
    ) -> Result<Reply, MailError> {
        self.tag = self.tag.wrapping_add(1);
        let tag = format!("A{}", self.tag);
        let limit = self.command;
        let read = timeout(limit, self.converse(&tag, line, more, room)).await;
        let reply = self.heard(what, limit, read)?;
        let bye = reply.answers.iter().find_map(|answer| answer.untagged("BYE"));
        match bye {
            Some(said) if reply.status != Status::No && what != "LOGOUT" => {
                Err(failed(&self.host, &format!("ends the session at {what}: '{}'", shown(&said))))
            }
            _ => Ok(reply),
        }
    }

    async fn converse(&mut self, tag: &str, line: &str, more: Option<&str>, mut room: Room) -> io::Result<Reply> {
        self.say(&format!("{tag} {line}\r\n")).await?;
        let mut more = more;
        let mut answers = Vec::new();
        loop {
            let answer = match self.read(&mut room).await {
                Ok(answer) => answer,
                // A server that says goodbye and closes has answered.
                Err(error) if said_goodbye(&answers) && error.kind() != io::ErrorKind::InvalidData => {
                    return Ok(Reply { answers, status: Status::Bad, text: String::new() });
                }
                Err(error) => return Err(error),
            };
            if let Some((status, text)) = answer.ending(tag) {
                return Ok(Reply { answers, status, text });
            }
            if answer.line().starts_with('+') {
                let more = more.take().ok_or_else(|| invalid("asks for more than there is to say"))?;
                self.say(&format!("{more}\r\n")).await?;
                continue;
            }
            if answers.len() >= ANSWERS_MAX {
                return Err(invalid("answers without end"));
            }
            answers.push(answer);
        }
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }

    /// Reads one answer with its literals.
    async fn read(&mut self, room: &mut Room) -> io::Result<Response> {
        let mut response = Response::default();
        loop {
            let line = self.line(&mut room.answer).await?;
            let announced = literal(&line);
            response.pieces.push(line);
            let Some(length) = announced else { return Ok(response) };
            let fits = usize::try_from(length).ok().filter(|length| *length <= room.literal.min(room.answer));
            let length = fits.ok_or_else(|| invalid(&format!("announces {length} bytes, more than was asked for")))?;
            if response.pieces.len() >= PIECES_MAX {
                return Err(invalid("sends an answer of too many parts"));
            }
            room.answer -= length;
            // Room is made as bytes come, not as they are announced.
            let mut bytes = Vec::new();
            let read = (&mut self.stream).take(length as u64).read_to_end(&mut bytes).await?;
            if read < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            response.pieces.push(bytes);
        }
    }

    /// A line without its end.
    async fn line(&mut self, room: &mut usize) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let bytes = self.stream.fill_buf().await?;
            if bytes.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let end = memchr::memchr(b'\n', bytes);
            let taken = end.map_or(bytes.len(), |index| index + 1);
            *room = room.checked_sub(taken).ok_or_else(|| invalid("answers without end"))?;
            line.extend_from_slice(&bytes[..end.unwrap_or(taken)]);
            self.stream.consume(taken);
            if end.is_some() {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
        }
    }

    fn heard<T>(
        &self,
        what: &str,
        limit: Duration,
        read: Result<io::Result<T>, tokio::time::error::Elapsed>,
    ) -> Result<T, MailError> {
        let error = match read {
            Ok(Ok(heard)) => return Ok(heard),
            Err(_) => return Err(failed(&self.host, &format!("does not finish {what} within {limit:?}"))),
            Ok(Err(error)) => error,
        };
        Err(match error.kind() {
            io::ErrorKind::InvalidData => failed(&self.host, &format!("{error} at {what}")),
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => failed(&self.host, &format!("closes the connection at {what}")),
            _ => failed(&self.host, &format!("breaks off at {what} ({error})")),
        })
    }

    /// A sentence about this server.
    pub(super) fn failed(&self, what: &str) -> MailError {
        failed(&self.host, what)
    }

    /// A sentence about this server, where it refuses us.
    pub(super) fn refused(&self, what: &str) -> MailError {
        MailError::Refused(format!("{} {what}", self.host))
    }
}

fn failed(host: &str, what: &str) -> MailError {
    MailError::Failed(format!("{host} {what}"))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn said_goodbye(answers: &[Response]) -> bool {
    answers.iter().any(|answer| answer.untagged("BYE").is_some())
}

/// A server's words as they may stand in a sentence.
pub(super) fn shown(said: &str) -> String {
    text::truncate(&text::one_line(said), SAID_MAX)
}

/// The length that `{N}` at the end of a line announces (RFC 9051 section 4.3); one that is past all bounds counts as
/// the largest.
fn literal(line: &[u8]) -> Option<u64> {
    let inner = line.strip_suffix(b"}")?;
    let open = memchr::memrchr(b'{', inner)?;
    let digits = inner[open + 1..].strip_suffix(b"+").unwrap_or(&inner[open + 1..]);
    let number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    number.then(|| std::str::from_utf8(digits).ok()?.parse().ok().or(Some(u64::MAX))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_announced_at_the_end_of_a_line_only() {
        assert_eq!(literal(b"* 1 FETCH (BODY[] {342}"), Some(342));
        assert_eq!(literal(b"* 1 FETCH (BODY[] {342+}"), Some(342));
        assert_eq!(literal(b"{99999999999999999999999}"), Some(u64::MAX));
        for line in [&b"{342} x"[..], b"{}", b"{x}", b"342}", b"", b"{-1}"] {
            assert_eq!(literal(line), None);
        }
    }
}
