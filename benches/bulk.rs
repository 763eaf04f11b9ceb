//! Bulk files into a real database, as `rattlewatch import --file` reads them: a day of EPSS scores, and an archive of CVE
//! records. Prints rates and the program's peak memory; beside it, where there is a `sqlite3` shell, the rate of its own
//! `.import` of the same rows.

#![allow(clippy::unwrap_used, reason = "a measurement may stop at a surprise")]

#[path = "../tests/support/mod.rs"]
mod support;

mod cve;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::program::Program;

const SCORES: usize = 300_000;
const RECORDS: usize = 60_000;

fn main() {
    scores();
    records();
}

fn scores() {
    let program = program("epss", "epss_scores-current.csv.gz");
    let packed = program.folder().join("scores.csv.gz");
    let plain = program.folder().join("scores.csv");
    let mut rows = String::new();
    for row in 0..SCORES {
        // Few are high, as in the real file.
        let (score, percentile) = (((row % 9_973) as f64 / 10_000.0).powi(20), row as f64 / SCORES as f64);
        writeln!(rows, "CVE-{}-{},{score:.5},{percentile:.5}", 2_060 + row % 40, 10_000 + row / 40).unwrap();
    }
    std::fs::write(&plain, &rows).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(File::create(&packed).unwrap(), flate2::Compression::default());
    write!(gzip, "#model_version:v1,score_date:2099-11-22T00:00:00+0000\ncve,epss,percentile\n{rows}").unwrap();
    gzip.finish().unwrap();
    measure("EPSS scores", SCORES, &program, &packed);
    peer(&plain, program.folder());
}

fn records() {
    let program = program("cve", "all.zip");
    let path = program.folder().join("all.zip");
    cve::archive(&path, 0..RECORDS);
    measure("CVE records", RECORDS, &program, &path);
}

fn program(format: &str, file: &str) -> Program {
    let mut program = Program::new();
    program.sources(&[("bulk", format, &format!("https://publisher.example/{file}"))]);
    program
}

/// Imports a file; the program's peak memory is read while it runs.
fn measure(what: &str, rows: usize, program: &Program, file: &Path) {
    let mut command = program.prepared(&["import", "bulk", "--json", "--file"]);
    command.arg(file).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(peak_memory(child.id()).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(20));
    }
    let seconds = begun.elapsed().as_secs_f64();
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success(), "the import succeeds");
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said["items"].as_u64(), Some(rows as u64), "every row is read");
    let packed = file.metadata().unwrap().len() as f64 / 1e6;
    println!(
        "{what:<12} {rows} rows ({packed:.1} MB packed): {seconds:.2} s, {:.0} rows/s, {:.0} MB peak resident memory",
        rows as f64 / seconds,
        peak as f64 / 1e3
    );
}

/// `VmHWM` of a process, in kB.
fn peak_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// The same rows by the shell of SQLite, without a check of any row.
fn peer(rows: &Path, folder: &Path) {
    let begun = Instant::now();
    let ran = Command::new("sqlite3")
        .arg(folder.join("peer.db"))
        .args([
            "PRAGMA journal_mode = WAL",
            "CREATE TABLE epss (cve TEXT PRIMARY KEY, score REAL, percentile REAL) WITHOUT ROWID",
            ".mode csv",
        ])
        .arg(format!(".import '{}' epss", rows.display()))
        .stdout(Stdio::null())
        .status();
    match ran {
        Ok(status) if status.success() => {
            let seconds = begun.elapsed().as_secs_f64();
            println!("sqlite3      {SCORES} rows by .import: {seconds:.2} s, {:.0} rows/s", SCORES as f64 / seconds);
        }
        _ => println!("sqlite3      not measured: there is no shell of that name"),
    }
}
