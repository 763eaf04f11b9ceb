//! A DNS server on loopback that answers questions for TXT records from a table (RFC 1035 section 4).

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

type Records = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// The server; it stops when dropped.
pub struct DnsServer {
    address: SocketAddr,
    records: Records,
    stop: Arc<std::sync::atomic::AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl DnsServer {
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a loopback port");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let address = socket.local_addr().expect("the port");
        let (records, stop) = (Records::default(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
        let (table, halt) = (Arc::clone(&records), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut packet = [0_u8; 1_500];
            while !halt.load(std::sync::atomic::Ordering::SeqCst) {
                let Ok((length, from)) = socket.recv_from(&mut packet) else { continue };
                if let Some(answer) = answer(&packet[..length], &table) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { address, records, stop, thread: Some(thread) }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Makes these the TXT records of `name`.
    pub fn txt(&self, name: &str, records: &[&str]) {
        let records = records.iter().map(|record| (*record).to_owned()).collect();
        self.records.lock().expect("the table").insert(name.to_lowercase(), records);
    }
}

/// The answer to a question for TXT records: those of the table, else that there is no such name.
fn answer(question: &[u8], table: &Records) -> Option<Vec<u8>> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let end = at + 4;
    let txt = question.get(at..at + 2)? == [0, 16];
    let found = table.lock().expect("the table").get(&labels.join(".")).cloned();
    let records = found.clone().filter(|_| txt).unwrap_or_default();
    let mut answer = question.get(..2)?.to_vec();
    let code = if found.is_none() { 3 } else { 0 };
    answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::try_from(records.len()).ok()?, 0, 0, 0, 0]);
    answer.extend(&question[12..end]);
    for record in records {
        let strings: Vec<&[u8]> = record.as_bytes().chunks(255).collect();
        let length: usize = strings.iter().map(|part| part.len() + 1).sum();
        answer.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60]);
        answer.extend(u16::try_from(length).ok()?.to_be_bytes());
        for part in strings {
            answer.push(u8::try_from(part.len()).ok()?);
            answer.extend(part);
        }
    }
    Some(answer)
}
