//! One connection to the relay, each wait with its own limit (RFC 5321 section 4.5.3.2).
//!
//! The rule: whoever reads an error from here knows whether the final dot had been written. Replies are bounded
//! in size, may hold any bytes, and none that came before a TLS handshake is believed after it.

use std::io;
use std::time::Duration;

use lettre::transport::smtp::authentication::Mechanism;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use super::reply::{Reply, Step};
use super::tls::Tls;
use super::{Phases, SmtpRelay, TlsMode, auth};

/// Octets kept of a reply's line (RFC 5321 section 4.5.3.1.5 allows 512); the rest is read and dropped.
const MAX_LINE: usize = 1_000;
/// Octets of a whole reply.
const MAX_REPLY: usize = 64 * 1024;
/// Octets of the mail's text written under one time limit.
const BLOCK: usize = 32 * 1024;

/// Why a step did not end as hoped.
#[derive(Debug)]
pub(super) enum Fault {
    /// The relay answered, but not with what the step needs.
    Refused(Step, Reply),
    /// No usable answer: what happened, for a person. At [`Step::Dot`] the dot may have arrived.
    Lost(Step, String),
    /// The relay answered, but what it offers is not enough: what to do, for a person.
    Unfit(String),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What the relay said it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    pub starttls: bool,
    pub smtputf8: bool,
    pub eight_bit: bool,
    pub pipelining: bool,
    /// Announced SIZE (RFC 1870): `Some(0)` is "no fixed limit".
    pub size: Option<u64>,
    /// PLAIN, LOGIN and XOAUTH2, where offered.
    pub auth: Vec<Mechanism>,
}

impl Extensions {
    fn read(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.lines.iter().skip(1).map(|line| line.to_ascii_uppercase()) {
            // "AUTH=PLAIN" is how some servers wrote it before RFC 2554.
            let mut words = line.split([' ', '=']);
            match words.next().unwrap_or_default() {
                "STARTTLS" => found.starttls = true,
                "SMTPUTF8" => found.smtputf8 = true,
                "8BITMIME" => found.eight_bit = true,
                "PIPELINING" => found.pipelining = true,
                "SIZE" => found.size = Some(words.next().and_then(|size| size.parse().ok()).unwrap_or(0)),
                "AUTH" => {
                    for word in words {
                        match word {
                            "PLAIN" => found.auth.push(Mechanism::Plain),
                            "LOGIN" => found.auth.push(Mechanism::Login),
                            "XOAUTH2" => found.auth.push(Mechanism::Xoauth2),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }
}

/// An open, greeted and (where asked) authenticated connection.
pub(super) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    pub extensions: Extensions,
    /// Mails begun on it.
    pub mails: u32,
    /// A transaction stands half done on it.
    pub unfinished: bool,
    /// It cannot serve again.
    pub spoiled: bool,
    /// Since when nobody uses it.
    pub idle_since: Instant,
}

impl Connection {
    /// Connects, secures and signs in, as the relay's settings ask. `hello` is the name for EHLO.
    pub(super) async fn open(
        relay: &SmtpRelay,
        tls: Option<&Tls>,
        phases: &Phases,
        hello: &str,
    ) -> Result<Self, Fault> {
        let tcp = limited(Step::Connect, phases.connect, dial(&relay.host, relay.port, phases.connect)).await?;
        // Without this, each short command could wait for the acknowledgment of the one before.
        let _ = tcp.set_nodelay(true);
        let trusted_path = tcp.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback());
        let stream: Box<dyn Stream> = match (relay.tls, tls) {
            (TlsMode::Implicit, Some(tls)) => handshake(Box::new(tcp), tls, phases.connect).await?,
            _ => Box::new(tcp),
        };
        let mut connection = Self {
            stream: BufReader::new(stream),
            extensions: Extensions::default(),
            mails: 0,
            unfinished: false,
            spoiled: false,
            idle_since: Instant::now(),
        };
        let greeting = limited(Step::Greeting, phases.greeting, connection.read()).await?;
        expect(Step::Greeting, 2, greeting)?;
        connection.ehlo(hello, phases).await?;
        if let (TlsMode::StartTls, Some(tls)) = (relay.tls, tls) {
            connection = connection.secure(tls, phases).await?;
            connection.ehlo(hello, phases).await?;
        }
        if relay.credentials.is_some() && relay.tls == TlsMode::Plain && !trusted_path {
            return Err(Fault::Unfit("a password is not sent without TLS; set the relay's TLS mode".to_owned()));
        }
        auth::sign_in(&mut connection, relay, phases).await?;
        Ok(connection)
    }

    async fn ehlo(&mut self, hello: &str, phases: &Phases) -> Result<(), Fault> {
        let reply = self.command(Step::Ehlo, &format!("EHLO {hello}\r\n"), phases.greeting).await?;
        self.extensions = Extensions::read(&expect(Step::Ehlo, 2, reply)?);
        Ok(())
    }

    /// STARTTLS (RFC 3207): there is no going on without it.
    async fn secure(mut self, tls: &Tls, phases: &Phases) -> Result<Self, Fault> {
        if !self.extensions.starttls {
            let what = "it does not offer STARTTLS, and mail is not sent without; check its port and TLS mode";
            return Err(Fault::Unfit(what.to_owned()));
        }
        let reply = self.command(Step::StartTls, "STARTTLS\r\n", phases.secure).await?;
        expect(Step::StartTls, 2, reply)?;
        if !self.stream.buffer().is_empty() {
            // Somebody on the way speaks for the relay: what is said in the clear must not count as said in TLS.
            let what = "it sent more than one answer to STARTTLS; somebody may be tampering with the connection";
            return Err(Fault::Unfit(what.to_owned()));
        }
        let stream = handshake(self.stream.into_inner(), tls, phases.secure).await?;
        Ok(Self { stream: BufReader::new(stream), ..self })
    }

    /// Sends one command line and waits for its reply, both within `limit`.
    pub(super) async fn command(&mut self, step: Step, line: &str, limit: Duration) -> Result<Reply, Fault> {
        limited(step, limit, async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.flush().await?;
            self.read().await
        })
        .await
    }

    /// Sends MAIL, RCPT and DATA in one write (RFC 2920) and reads their replies in order, each within its own limit.
    /// Every reply is read before the first refusal is returned.
    pub(super) async fn envelope(&mut self, mail: &str, rcpt: &str, phases: &Phases) -> Result<(), Fault> {
        let lines = format!("{mail}{rcpt}DATA\r\n");
        let mail = limited(Step::Mail, phases.envelope, async {
            self.stream.write_all(lines.as_bytes()).await?;
            self.stream.flush().await?;
            self.read().await
        })
        .await?;
        if mail.closes() {
            return Err(Fault::Refused(Step::Mail, mail));
        }
        let rcpt = limited(Step::Rcpt, phases.envelope, self.read()).await?;
        if rcpt.closes() {
            return Err(Fault::Refused(Step::Rcpt, rcpt));
        }
        let ready = limited(Step::Data, phases.data, self.read()).await?;
        let refused = [(Step::Mail, mail), (Step::Rcpt, rcpt)].into_iter().find(|(_, reply)| !reply.is_positive());
        match refused {
            Some((step, reply)) => {
                // It waits for a text that nobody is to get; only closing the connection surely sends none.
                self.spoiled = ready.code == 354;
                Err(Fault::Refused(step, reply))
            }
            None if ready.code == 354 => Ok(()),
            None => Err(Fault::Refused(Step::Data, ready)),
        }
    }

    /// Sends the text and the final dot, and waits for the reply to it. A fault at [`Step::Text`] came before
    /// the dot was written; one at [`Step::Dot`], after.
    pub(super) async fn text(&mut self, mail: &[u8], phases: &Phases) -> Result<Reply, Fault> {
        let stuffed = stuff(mail);
        if !self.stream.buffer().is_empty() {
            // It spoke before the text: what it said is no answer to the dot, so nothing is sent.
            return match limited(Step::Text, phases.block, self.read()).await? {
                reply if reply.code >= 400 => Err(Fault::Refused(Step::Text, reply)),
                reply => Err(Fault::Lost(Step::Text, format!("answered '{reply}' before the mail's end"))),
            };
        }
        // The dot goes out with the last block. A write that failed did not hand over all of it, so not the dot.
        for block in stuffed.chunks(BLOCK) {
            if let Err(lost) = limited(Step::Text, phases.block, self.stream.write_all(block)).await {
                // A relay that refuses in the middle says why before it closes; nothing is accepted without a dot.
                let said = limited(Step::Text, phases.block.min(Duration::from_secs(5)), self.read()).await;
                return match said {
                    Ok(reply) if reply.code >= 400 => Err(Fault::Refused(Step::Text, reply)),
                    _ => Err(lost),
                };
            }
        }
        limited(Step::Dot, phases.dot, async {
            self.stream.flush().await?;
            self.read().await
        })
        .await
    }

    /// Says QUIT and does not insist on an answer.
    pub(super) async fn quit(mut self) {
        let _ = self.command(Step::Quit, "QUIT\r\n", Duration::from_secs(2)).await;
    }

    /// Reads one reply of one or more lines. The last line's code counts.
    async fn read(&mut self) -> io::Result<Reply> {
        let mut lines = Vec::new();
        let mut room = MAX_REPLY;
        loop {
            let line = self.line(&mut room).await?;
            let code =
                line.get(..3).and_then(|digits| digits.parse::<u16>().ok()).filter(|code| (200..600).contains(code));
            let Some(code) = code else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "said something that is not an SMTP reply"));
            };
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Reply { code, lines });
            }
        }
    }

    /// Reads a line; bytes that are not ASCII (some relays speak Latin-1) become question marks.
    async fn line(&mut self, room: &mut usize) -> io::Result<String> {
        let mut line = String::new();
        loop {
            let bytes = self.stream.fill_buf().await?;
            if bytes.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(bytes.len(), |index| index + 1);
            let free = MAX_LINE.saturating_sub(line.len());
            let kept = bytes.iter().take(taken).filter(|byte| !matches!(byte, b'\r' | b'\n')).take(free);
            line.extend(kept.map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }));
            self.stream.consume(taken);
            *room = room
                .checked_sub(taken)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "sent a reply without end"))?;
            if end.is_some() {
                return Ok(line);
            }
        }
    }
}

/// Tries each address of the host; one that swallows packets must not use up the time of the others.
async fn dial(host: &str, port: u16, limit: Duration) -> io::Result<TcpStream> {
    let addresses: Vec<_> = lookup_host((host, port)).await?.take(8).collect();
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer")),
        }
    }
    Err(last)
}

async fn handshake(plain: Box<dyn Stream>, tls: &Tls, limit: Duration) -> Result<Box<dyn Stream>, Fault> {
    let stream = limited(Step::Tls, limit, tls.connector.connect(tls.name.clone(), plain)).await?;
    Ok(Box::new(stream))
}

/// Runs one step within its limit; an error says in words what happened.
async fn limited<T>(step: Step, limit: Duration, work: impl Future<Output = io::Result<T>>) -> Result<T, Fault> {
    let error = match timeout(limit, work).await {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => error,
        Err(_) => return Err(Fault::Lost(step, format!("did not answer {step} within {limit:?}"))),
    };
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => format!("closed the connection at {step}"),
        _ if step == Step::Tls => {
            format!("failed the TLS handshake ({error}); if its authority is your own, set its CA file")
        }
        io::ErrorKind::InvalidData => format!("{error} at {step}"),
        _ if step == Step::Connect => format!("cannot be reached ({error}); check its host and port"),
        _ => format!("broke off at {step} ({error})"),
    };
    Err(Fault::Lost(step, what))
}

fn expect(step: Step, class: u16, reply: Reply) -> Result<Reply, Fault> {
    if reply.code / 100 == class { Ok(reply) } else { Err(Fault::Refused(step, reply)) }
}

/// Doubles a dot at the start of a line (RFC 5321 section 4.5.2), ends the text with CRLF, and adds the final dot.
fn stuff(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len() + mail.len() / 64 + 8);
    let mut from = 0;
    if mail.first() == Some(&b'.') {
        out.push(b'.');
    }
    for end in memchr::memmem::find_iter(mail, b"\n.").map(|newline| newline + 1).chain([mail.len()]) {
        if from > 0 {
            out.push(b'.');
        }
        out.extend_from_slice(&mail[from..end]);
        from = end;
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_stuffed_and_the_text_ends_its_line() {
        assert_eq!(stuff(b".\r\na.b\r\n..\r\nend"), b"..\r\na.b\r\n...\r\nend\r\n.\r\n");
        assert_eq!(stuff(b"a\r\n"), b"a\r\n.\r\n");
    }

    #[test]
    fn extensions_are_read_in_any_case_and_form() {
        let lines = ["mail.test", "SIZE 1000", "starttls", "AUTH=LOGIN", "AUTH XOAUTH2 PLAIN", "SMTPUTF8"];
        let found = Extensions::read(&Reply { code: 250, lines: lines.map(str::to_owned).to_vec() });
        assert!(found.starttls && found.smtputf8 && !found.eight_bit);
        assert_eq!(found.size, Some(1_000));
        assert_eq!(found.auth, [Mechanism::Login, Mechanism::Xoauth2, Mechanism::Plain]);
    }
}
