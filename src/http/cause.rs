//! What went wrong on the way to a host, from the chain of errors that the libraries keep.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustls::CertificateError;
use url::Url;

use super::error::{FetchError, Phase, Unreachable};
use super::guard::Refusal;
use super::resolver::AddressRefused;

/// Makes a [`FetchError`] of what the library reports before the headers are here.
pub fn from_library(error: &reqwest::Error, url: &Url, connect: Duration) -> FetchError {
    let host = super::place(url);
    if let Some(AddressRefused(reason)) = find(error) {
        // The resolver does not know the port; it is this URL's.
        let reason = match reason {
            Refusal::Port(_) => Refusal::Port(url.port_or_known_default().unwrap_or_default()),
            other => other.clone(),
        };
        return FetchError::Refused { host, reason };
    }
    if error.is_timeout() {
        return FetchError::TimedOut { host, phase: Phase::Connect, after: connect };
    }
    FetchError::Unreachable { host, reason: reason(error) }
}

fn reason(error: &reqwest::Error) -> Unreachable {
    if error.is_dns() {
        return Unreachable::Dns;
    }
    if let Some(tls) = find::<rustls::Error>(error) {
        return Unreachable::Tls(tls_fault(tls));
    }
    if let Some(io) = find::<io::Error>(error) {
        return match io.kind() {
            io::ErrorKind::ConnectionRefused => Unreachable::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Unreachable::Closed
            }
            io::ErrorKind::UnexpectedEof if error.is_connect() => {
                Unreachable::Tls("the connection is closed during the handshake".to_owned())
            }
            io::ErrorKind::UnexpectedEof => Unreachable::Closed,
            _ => Unreachable::Network(io.to_string()),
        };
    }
    let innermost = chain(error).last().map(ToString::to_string).unwrap_or_default();
    match innermost.as_str() {
        text if text.contains("invalid HTTP") || text.contains("parse") => Unreachable::NotHttp,
        text if text.contains("connection closed") => Unreachable::Closed,
        text => Unreachable::Network(text.to_owned()),
    }
}

fn tls_fault(error: &rustls::Error) -> String {
    let fault = match error {
        rustls::Error::InvalidCertificate(fault) => fault,
        rustls::Error::InvalidMessage(_) => return "it may speak http rather than https on this port".to_owned(),
        other => return other.to_string(),
    };
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; check the clock of this machine".to_owned()
        }
        CertificateError::UnknownIssuer => "its certificate comes from an authority that this machine does not know; \
            if it is yours, name its file in SSL_CERT_FILE"
            .to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name".to_owned()
        }
        CertificateError::Revoked => "its certificate has been revoked".to_owned(),
        other => format!("its certificate is not accepted ({other})"),
    }
}

/// `error` and its causes, outermost first, with what `io::Error` wraps among them: its own `source` skips that.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'a (dyn Error + 'static)| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref::<T>())
}
