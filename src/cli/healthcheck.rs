//! `rattlewatch healthcheck`: exit code 0 when the running server is ready. For a container, which has no shell.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{Global, Outcome, start};

/// How long connecting, asking and answering may take, each.
const LIMIT: Duration = Duration::from_millis(900);

/// What `healthcheck` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Ask this address instead of the one in the settings
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<SocketAddr>,
}

pub(super) fn main(global: &Global, arguments: &Arguments) -> Outcome {
    let mut address = match arguments.address {
        Some(address) => address,
        None => start::settings(global)?.listen,
    };
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        address.set_ip(loopback);
    }
    let status = ask(address)?;
    if status.contains(" 200 ") {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("not ready: {}", status.trim());
    Ok(ExitCode::FAILURE)
}

/// The status line of the answer to `GET /readyz`.
fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0_u8; 256];
    let read = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or("no answer").to_owned())
}
