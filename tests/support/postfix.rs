//! Debian's postfix as a relay: its own folder, its own ports on loopback, and one place to which it passes everything on.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const SERVICES: &str = "\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
";

/// A running postfix; it ends with this value.
pub struct Postfix {
    folder: tempfile::TempDir,
    pub port: u16,
}

impl Postfix {
    /// One that passes every mail on to port `next` of loopback; `None`, said aloud, where postfix or the right to start it
    /// is missing.
    pub fn start(next: u16) -> Option<Self> {
        let id = Command::new("id").arg("-u").output().ok()?;
        if !Path::new("/usr/sbin/postfix").exists() || String::from_utf8_lossy(&id.stdout).trim() != "0" {
            println!("SKIPPED: needs root and /usr/sbin/postfix (Debian: apt-get install postfix)");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let path = folder.path().display();
        for part in ["conf", "queue", "data"] {
            fs::create_dir(folder.path().join(part)).expect("a folder");
        }
        let settings = format!(
            "compatibility_level = 3.6\nqueue_directory = {path}/queue\ndata_directory = {path}/data\n\
             mail_owner = postfix\nsetgid_group = postdrop\nmyhostname = relay.example.test\nmydestination =\n\
             mynetworks = 127.0.0.0/8\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nalias_maps =\n\
             local_recipient_maps =\nsmtp_dns_support_level = disabled\nsmtpd_tls_security_level = none\n\
             smtp_tls_security_level = none\nsmtpd_relay_restrictions = permit_mynetworks, reject\n\
             default_transport = smtp:[127.0.0.1]:{next}\nrelay_transport = smtp:[127.0.0.1]:{next}\n\
             maillog_file = {path}/data/log\nmaillog_file_prefixes = /\n"
        );
        fs::write(folder.path().join("conf/main.cf"), settings).expect("written");
        let services = format!("127.0.0.1:{port} inet n - n - - smtpd\n{SERVICES}");
        fs::write(folder.path().join("conf/master.cf"), services).expect("written");
        let conf = format!("{path}/conf");
        for command in [
            vec!["chmod", "755", "."],
            vec!["chown", "postfix", "data"],
            vec!["postfix", "-c", &conf, "check"],
            vec!["postfix", "-c", &conf, "start"],
        ] {
            let mut prepared = Command::new(command[0]);
            let done = prepared.args(&command[1..]).current_dir(folder.path()).output().expect("it runs");
            assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
        }
        let postfix = Self { folder, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "postfix answers: {}", postfix.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(postfix)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("data/log")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        drop(Command::new("postfix").arg("-c").arg(self.folder.path().join("conf")).arg("stop").output());
    }
}
