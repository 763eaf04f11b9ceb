//! Postfix's test programs, and the processor time of children: what measurements of mail share.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The folder of `smtp-sink` and `smtp-source`: that which `POSTFIX` names, `/usr/sbin`, or one of `PATH`.
pub fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("POSTFIX").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = named.into_iter().chain([PathBuf::from("/usr/sbin")]).chain(std::env::split_paths(&path));
    places.into_iter().find(|folder| folder.join("smtp-sink").is_file() && folder.join("smtp-source").is_file())
}

/// `smtp-sink` on a free port; it ends when dropped.
pub struct Sink {
    child: Child,
    /// Its port on loopback.
    pub port: u16,
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sink {
    /// Starts it, and waits until it answers.
    pub fn start(postfix: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(postfix.join("smtp-sink"));
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        let child = command.args([&format!("127.0.0.1:{port}"), "1024"]).stdout(Stdio::null()).spawn().unwrap();
        let sink = Self { child, port };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "smtp-sink does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        sink
    }
}

/// Seconds of processor time of the children that have ended: fields 16 and 17 of this process's `stat`, in clock ticks.
pub fn children_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after = stat.rsplit_once(')').unwrap().1;
    let ticks: f64 = after.split_whitespace().skip(13).take(2).map(|field| field.parse::<f64>().unwrap()).sum();
    ticks / f64::from(u32::try_from(rustix::param::clock_ticks_per_second()).unwrap())
}
