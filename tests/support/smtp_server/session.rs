//! One connection: the server's side of RFC 5321.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use super::script::{Act, Moment, Phase};
use super::{Received, Shared, lock};

pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(super) struct Session {
    shared: Arc<Shared>,
    number: usize,
    io: Option<BufReader<Box<dyn Io>>>,
    /// Replies to commands whose successors are already here.
    unsent: Vec<u8>,
    tls: bool,
    user: Option<String>,
    from: Option<String>,
    to: Vec<String>,
    commands: usize,
    transactions: usize,
    mail: usize,
    accepted: usize,
    begun: SystemTime,
}

/// What the rules decided: the reply to send (`None`: the normal one).
type Decision = Option<Vec<u8>>;

impl Session {
    pub(super) fn new(shared: Arc<Shared>, number: usize, io: Box<dyn Io>) -> Self {
        let io = Some(BufReader::new(io));
        let (user, from) = (None, None);
        Self {
            shared,
            number,
            io,
            unsent: vec![],
            tls: false,
            user,
            from,
            to: vec![],
            commands: 0,
            transactions: 0,
            mail: 0,
            accepted: 0,
            begun: SystemTime::UNIX_EPOCH,
        }
    }

    fn io(&mut self) -> io::Result<&mut BufReader<Box<dyn Io>>> {
        self.io.as_mut().ok_or_else(closed)
    }

    pub(super) async fn run(&mut self, implicit_tls: bool) -> io::Result<()> {
        self.decide(Phase::Connect).await?;
        if implicit_tls {
            self.upgrade().await?;
        }
        let greeting = self.decide(Phase::Greeting).await?;
        self.reply(greeting, "220 mail.test ESMTP").await?;
        loop {
            let line = self.line().await?;
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.commands += 1;
            lock(&self.shared.commands).push(format!("{} {line}", self.number));
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => self.ehlo().await?,
                "STARTTLS" => self.start_tls().await?,
                "AUTH" => self.auth(&line).await?,
                "MAIL" => self.mail(&line).await?,
                "RCPT" => self.rcpt(&line).await?,
                "DATA" => self.data().await?,
                "RSET" => {
                    let decision = self.decide(Phase::Rset).await?;
                    self.forget();
                    self.reply(decision, "250 2.0.0 reset").await?;
                }
                "NOOP" => {
                    let decision = self.decide(Phase::Noop).await?;
                    self.reply(decision, "250 2.0.0 ok").await?;
                }
                "QUIT" => {
                    let decision = self.decide(Phase::Quit).await?;
                    self.reply(decision, "221 2.0.0 bye").await?;
                    return Ok(());
                }
                _ => self.reply(None, "500 5.5.2 unknown command").await?,
            }
        }
    }

    async fn ehlo(&mut self) -> io::Result<()> {
        let decision = self.decide(Phase::Ehlo).await?;
        self.forget();
        let script = lock(&self.shared.script).clone();
        let mut lines = vec!["mail.test".to_owned()];
        lines.extend(script.extensions);
        if script.starttls && !self.tls {
            lines.push("STARTTLS".to_owned());
        }
        if script.auth.is_some() {
            lines.push("AUTH PLAIN LOGIN XOAUTH2".to_owned());
        }
        let last = lines.len() - 1;
        let text: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(index, line)| format!("250{}{line}", if index == last { ' ' } else { '-' }))
            .collect();
        self.reply(decision, &text.join("\r\n")).await
    }

    async fn start_tls(&mut self) -> io::Result<()> {
        let decision = self.decide(Phase::StartTls).await?;
        if self.reply_is_positive(decision, "220 2.0.0 go ahead").await? {
            self.upgrade().await?;
        }
        Ok(())
    }

    async fn upgrade(&mut self) -> io::Result<()> {
        let plain = self.io.take().ok_or_else(closed)?.into_inner();
        let stream = self.shared.acceptor.accept(plain).await?;
        self.io = Some(BufReader::new(Box::new(stream)));
        self.tls = true;
        Ok(())
    }

    async fn auth(&mut self, line: &str) -> io::Result<()> {
        let decision = self.decide(Phase::Auth).await?;
        let expected = lock(&self.shared.script).auth.clone();
        let given = match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
            [_, kind, initial] if kind.eq_ignore_ascii_case("PLAIN") => {
                let text = from_base64(initial);
                let mut parts = text.split('\0').skip(1).map(str::to_owned);
                parts.next().zip(parts.next())
            }
            [_, kind] if kind.eq_ignore_ascii_case("LOGIN") => {
                self.reply(None, "334 VXNlcm5hbWU6").await?;
                let user = from_base64(&String::from_utf8_lossy(&self.line().await?));
                self.reply(None, "334 UGFzc3dvcmQ6").await?;
                let password = from_base64(&String::from_utf8_lossy(&self.line().await?));
                Some((user, password))
            }
            [_, kind, initial] if kind.eq_ignore_ascii_case("XOAUTH2") => {
                let text = from_base64(initial);
                let given = text.strip_prefix("user=").and_then(|rest| rest.strip_suffix("\u{1}\u{1}"));
                let given = given.and_then(|rest| rest.split_once("\u{1}auth=Bearer "));
                let given = given.map(|(user, token)| (user.to_owned(), token.to_owned()));
                if given.is_none() || given != expected {
                    // {"status":"401"}; the client has to answer it with an empty line.
                    self.reply(None, "334 eyJzdGF0dXMiOiI0MDEifQ==").await?;
                    let answer = self.line().await?;
                    lock(&self.shared.commands).push(format!(
                        "{} answer {:?}",
                        self.number,
                        String::from_utf8_lossy(&answer)
                    ));
                }
                given
            }
            _ => None,
        };
        let right = given.is_some() && given == expected;
        let normal = if right { "235 2.7.0 welcome" } else { "535 5.7.8 wrong user or password" };
        if self.reply_is_positive(decision, normal).await? {
            self.user = given.map(|(user, _)| user);
        }
        Ok(())
    }

    async fn mail(&mut self, line: &str) -> io::Result<()> {
        self.forget();
        self.transactions += 1;
        self.mail = self.shared.mails.fetch_add(1, Ordering::SeqCst) + 1;
        self.begun = SystemTime::now();
        let decision = self.decide(Phase::Mail).await?;
        let signed_in = self.user.is_some() || lock(&self.shared.script).auth.is_none();
        let normal = if signed_in { "250 2.1.0 ok" } else { "530 5.7.0 sign in first" };
        if self.reply_is_positive(decision, normal).await? {
            self.from = Some(path(line));
        }
        Ok(())
    }

    async fn rcpt(&mut self, line: &str) -> io::Result<()> {
        self.to.push(path(line));
        lock(&self.shared.transactions).push((self.begun, path(line)));
        let decision = self.decide(Phase::Rcpt).await?;
        let normal = if self.from.is_some() { "250 2.1.5 ok" } else { "503 5.5.1 MAIL first" };
        if !self.reply_is_positive(decision, normal).await? {
            self.to.pop();
        }
        Ok(())
    }

    async fn data(&mut self) -> io::Result<()> {
        let decision = self.decide(Phase::Data).await?;
        let normal = if self.to.is_empty() { "503 5.5.1 RCPT first" } else { "354 go on" };
        if !self.reply_is_positive(decision, normal).await? {
            return Ok(());
        }
        let mut data = Vec::new();
        let mut lines = 0;
        loop {
            let line = self.line().await?;
            if line == b".\r\n" {
                break;
            }
            data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            lines += 1;
            if lines == 1 {
                self.decide(Phase::Body).await?;
            }
        }
        let decision = match self.decide(Phase::Dot).await {
            Err(stop) if stop.kind() == io::ErrorKind::ConnectionAborted => {
                self.keep(data);
                return Err(stop);
            }
            other => other?,
        };
        let number = self.shared.messages.lock().map(|kept| kept.len() + 1).unwrap_or_default();
        if decision.as_ref().is_none_or(|reply| is_positive(reply)) {
            self.keep(data);
            self.accepted += 1;
        }
        self.reply(decision, &format!("250 2.0.0 queued as {number}")).await?;
        self.decide(Phase::Answered).await?;
        self.forget();
        let close_after = lock(&self.shared.script).close_after;
        if close_after.is_some_and(|limit| self.accepted >= limit) { Err(closed()) } else { Ok(()) }
    }

    fn keep(&self, data: Vec<u8>) {
        lock(&self.shared.messages).push(Received {
            connection: self.number,
            from: self.from.clone().unwrap_or_default(),
            to: self.to.clone(),
            data,
            at: Instant::now(),
            tls: self.tls,
            user: self.user.clone(),
        });
    }

    fn forget(&mut self) {
        self.from = None;
        self.to.clear();
    }

    /// Finds the rule for this moment and does what it says; `Err` ends the session.
    async fn decide(&mut self, phase: Phase) -> io::Result<Decision> {
        let Some(act) = self.find(phase) else { return Ok(None) };
        if !self.unsent.is_empty() {
            self.flush().await?;
        }
        match act {
            Act::Say(reply) => Ok(Some(reply)),
            Act::SayAndClose(reply) => {
                self.reply(Some(reply), "").await?;
                self.flush().await?;
                Err(closed())
            }
            Act::Drop => Err(closed()),
            Act::DropAccepted => Err(io::ErrorKind::ConnectionAborted.into()),
            Act::Wait(time) => {
                tokio::time::sleep(time).await;
                Ok(None)
            }
            Act::Call(call) => {
                (call.0)();
                Ok(None)
            }
            Act::Stall => {
                let mut sink = [0; 4096];
                while self.io()?.read(&mut sink).await? > 0 {}
                Err(closed())
            }
        }
    }

    fn find(&self, phase: Phase) -> Option<Act> {
        lock(&self.shared.script).find(&Moment {
            phase,
            connection: self.number,
            mail: self.mail,
            mail_of_connection: self.transactions,
            command: self.commands,
            recipients: &self.to,
        })
    }

    async fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        match self.io()?.read_until(b'\n', &mut line).await? {
            0 => Err(closed()),
            _ => Ok(line),
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let replies = std::mem::take(&mut self.unsent);
        let io = self.io()?;
        io.write_all(&replies).await?;
        io.flush().await
    }

    async fn reply(&mut self, decision: Decision, normal: &str) -> io::Result<()> {
        self.reply_is_positive(decision, normal).await.map(drop)
    }

    async fn reply_is_positive(&mut self, decision: Decision, normal: &str) -> io::Result<bool> {
        let mut reply = decision.unwrap_or_else(|| normal.as_bytes().to_vec());
        let positive = is_positive(&reply);
        reply.extend_from_slice(b"\r\n");
        self.unsent.extend_from_slice(&reply);
        // Replies to commands that came together leave together (RFC 2920 section 3.2).
        if self.io()?.buffer().is_empty() {
            self.flush().await?;
        }
        Ok(positive)
    }
}

fn is_positive(reply: &[u8]) -> bool {
    matches!(reply.first(), Some(b'2' | b'3'))
}

fn closed() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

/// What stands between the angle brackets.
fn path(line: &str) -> String {
    line.split_once('<').and_then(|(_, rest)| rest.rsplit_once('>')).map_or("", |(path, _)| path).to_owned()
}

fn from_base64(text: &str) -> String {
    let mut bits: u32 = 0;
    let mut count = 0;
    let mut bytes = Vec::new();
    for c in text.trim().bytes().take_while(|c| *c != b'=') {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
