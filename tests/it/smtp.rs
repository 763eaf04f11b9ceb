//! Mail, from message to relay.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::smtp_server::SmtpServer;

#[tokio::test]
async fn the_servers_sink_keeps_a_mail_as_it_was_sent() {
    let server = SmtpServer::start().await;
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", server.port())).await.unwrap());
    let dialog = "EHLO me.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n..dot\r\n.\r\nQUIT\r\n";
    stream.get_mut().write_all(dialog.as_bytes()).await.unwrap();
    let mut lines = stream.lines();
    let mut last = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        last = line;
    }
    assert_eq!(last, "221 2.0.0 bye");
    let mails = server.wait_for(1, Duration::from_secs(5)).await;
    assert_eq!((mails[0].from.as_str(), mails[0].data.as_slice()), ("a@b.test", b".dot\r\n".as_slice()));
    assert_eq!(mails[0].to, ["c@d.test"]);
    assert_eq!(server.count("MAIL"), 1);
}
