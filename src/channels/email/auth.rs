//! Signing in to the relay: PLAIN and LOGIN (RFC 4954) by password, XOAUTH2 by a bearer token.
//!
//! A token expires within the hour, so where it stands in a file that is read again for each connection; whoever
//! refreshes it is another program. Neither password nor token is ever part of what is told.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::commands::Auth;
use lettre::transport::smtp::response::Response;
use tokio::io::AsyncReadExt;

use super::connection::{Connection, Fault};
use super::reply::Step;
use super::{Phases, SignIn, SmtpRelay};
use crate::model::text;

/// Longest token, in bytes; those of Microsoft have some two thousand.
const TOKEN_MAX: u64 = 16 * 1024;

/// What to do about a token that is not taken.
const REFRESH: &str = "see that the token is renewed before it expires, and that its account may send mail";

/// Signs in as the relay's settings say, where they name somebody.
pub(super) async fn sign_in(connection: &mut Connection, relay: &SmtpRelay, phases: &Phases) -> Result<(), Fault> {
    let Some((user, password)) = &relay.credentials else { return Ok(()) };
    match &relay.sign_in {
        SignIn::Password => by_password(connection, user, password, phases).await,
        SignIn::Token { file: None } => by_token(connection, user, password, phases).await,
        SignIn::Token { file: Some(file) } => {
            // A file that is a pipe would never end.
            let token = tokio::time::timeout(phases.secure, token(file)).await;
            let token = token.unwrap_or_else(|_| Err(format!("the token file '{}' does not end", file.display())));
            let token = token.map_err(Fault::Unfit)?;
            by_token(connection, user, &token, phases).await
        }
    }
}

async fn by_password(connection: &mut Connection, user: &str, password: &str, phases: &Phases) -> Result<(), Fault> {
    let credentials = Credentials::new(user.to_owned(), password.to_owned());
    let offered = &connection.extensions.auth;
    let Some(mechanism) = [Mechanism::Plain, Mechanism::Login].into_iter().find(|known| offered.contains(known)) else {
        let what = if offered.contains(&Mechanism::Xoauth2) {
            "it offers no sign-in by PLAIN or LOGIN, but by token; set smtp_auth to xoauth2"
        } else {
            "it offers no sign-in by PLAIN or LOGIN; check its port, or remove the user and password"
        };
        return Err(Fault::Unfit(what.to_owned()));
    };
    let unfit = |error| Fault::Unfit(format!("its sign-in is not understood: {error}"));
    let mut command = Auth::new(mechanism, credentials.clone(), None).map_err(unfit)?;
    for _challenge in 0..4 {
        let reply = connection.command(Step::Auth, &command.to_string(), phases.secure).await?;
        match reply.code {
            334 => {}
            200..300 => return Ok(()),
            _ => return Err(Fault::Refused(Step::Auth, reply)),
        }
        let challenge: Response = format!("334 {}\r\n", reply.lines.first().map_or("", String::as_str))
            .parse()
            .map_err(|_| Fault::Lost(Step::Auth, "sent a challenge that is not understood".to_owned()))?;
        command = Auth::new_from_response(mechanism, credentials.clone(), &challenge).map_err(unfit)?;
    }
    Err(Fault::Lost(Step::Auth, "asked for the password again and again".to_owned()))
}

/// XOAUTH2 as Google and Microsoft have it: a refusal comes as a challenge with its reason, is answered by an empty line,
/// and only then becomes a reply.
async fn by_token(connection: &mut Connection, user: &str, token: &str, phases: &Phases) -> Result<(), Fault> {
    if !connection.extensions.auth.contains(&Mechanism::Xoauth2) {
        let what = "it offers no sign-in by XOAUTH2; check its port, or set smtp_auth to password";
        return Err(Fault::Unfit(what.to_owned()));
    }
    let response = STANDARD.encode(format!("user={user}\u{1}auth=Bearer {token}\u{1}\u{1}"));
    let reply = connection.command(Step::Auth, &format!("AUTH XOAUTH2 {response}\r\n"), phases.secure).await?;
    let (reply, why) = match reply.code {
        334 => {
            let why = reason(reply.lines.first().map_or("", String::as_str));
            (connection.command(Step::Auth, "\r\n", phases.secure).await?, why)
        }
        _ => (reply, String::new()),
    };
    match reply.code {
        200..300 => Ok(()),
        500..600 => Err(Fault::Unfit(format!("it refuses the token of {user} with '{reply}'{why}; {REFRESH}"))),
        _ => Err(Fault::Refused(Step::Auth, reply)),
    }
}

/// What the challenge of a refused token says: JSON in base64 with a status, such as 401.
fn reason(challenge: &str) -> String {
    let json = STANDARD.decode(challenge.trim()).ok();
    let said: Option<serde_json::Value> = json.and_then(|json| serde_json::from_slice(&json).ok());
    let status = said.as_ref().and_then(|said| said.get("status")).and_then(serde_json::Value::as_str);
    status.map_or_else(String::new, |status| format!(" (status {})", text::truncate(&text::one_line(status), 40)))
}

/// The token in `file`.
async fn token(file: &Path) -> Result<String, String> {
    let told = |what: String| format!("the token file '{}' {what}", file.display());
    let unreadable = |error: std::io::Error| told(format!("cannot be read ({error}); check its path and permissions"));
    let opened = tokio::fs::File::open(file).await.map_err(unreadable)?;
    let mut text = Vec::new();
    opened.take(TOKEN_MAX + 1).read_to_end(&mut text).await.map_err(unreadable)?;
    let token = String::from_utf8(text).unwrap_or_default().trim().to_owned();
    let fits =
        !token.is_empty() && token.len() as u64 <= TOKEN_MAX && token.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(token)
    } else {
        Err(told("holds no token: one line of printable ASCII; see what writes it".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_refusal_is_read_in_bounds() {
        let challenge = STANDARD.encode(r#"{"status":"401","schemes":"bearer","scope":"https://mail.example/"}"#);
        assert_eq!(reason(&challenge), " (status 401)");
        assert!(reason(&STANDARD.encode(format!("{{\"status\":\"{}\"}}", "x".repeat(900)))).len() < 60);
        for nothing in ["", "%%%", "bm8ganNvbg==", "W10="] {
            assert_eq!(reason(nothing), "", "{nothing}");
        }
    }
}
