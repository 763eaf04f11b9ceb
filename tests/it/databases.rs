//! The vulnerability databases: archives and pages, hostile ones too, and what the program makes of them.

mod archives;
mod corpus;
mod kev;
mod pages;
mod program;

use std::fs::File;
use std::io::{Seek, Write};

use rattlewatch::config::sources::{self, Known, Source};
use rattlewatch::formats::ParseError;
use rattlewatch::formats::walk::{self, Answer, Batch, Start, Step};
use rattlewatch::http::{Meta, Page};
use rattlewatch::model::clock::Timestamp;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// 2099-11-23T00:00:00Z.
pub const NOW: Timestamp = Timestamp::from_seconds(4_099_075_200);

pub fn source(format: &'static str, url: &str) -> Source {
    let text = format!(
        "[[source]]\nid = \"a\"\nname = \"A\"\npublisher = \"A\"\nkind = \"database\"\ncountry = \"US\"\n\
         url = \"{url}\"\nformat = \"{format}\"\nschedule = \"0 0 * * * *\"\n"
    );
    let known = Known { formats: &[format], platforms: None, check_selector: &|_| Ok(()) };
    sources::parse(&text, "sources.toml", &known).expect("a good source").remove(0)
}

/// What a walk did: its requests, its pauses and its batches, and why it stopped where it did not end well.
#[derive(Default)]
pub struct Walked {
    pub urls: Vec<String>,
    pub pauses: usize,
    pub batches: Vec<Batch>,
    pub fault: Option<ParseError>,
}

impl Walked {
    pub fn items(&self) -> usize {
        self.batches.iter().map(|batch| batch.parsed.items.len()).sum()
    }

    pub fn dropped(&self) -> usize {
        self.batches.iter().map(|batch| batch.parsed.dropped).sum()
    }

    pub fn repairs(&self) -> Vec<String> {
        self.batches.iter().flat_map(|batch| batch.parsed.repairs.clone()).collect()
    }

    pub fn cursor(&self) -> Option<&str> {
        self.batches.iter().rev().find_map(|batch| batch.cursor.as_deref())
    }
}

/// Drives a walk to its end; `reply` answers each request by its address. At most `most` steps, which a walk that ends
/// never needs.
pub fn drive(start: &Start<'_>, first: Answer, most: usize, mut reply: impl FnMut(&str) -> Answer) -> Walked {
    let mut walked = Walked::default();
    let mut walk = walk::begin(start).expect("the walk begins");
    let mut answer = first;
    for _ in 0..most {
        let step = match walk.next(answer) {
            Ok(step) => step,
            Err(fault) => {
                walked.fault = Some(fault);
                return walked;
            }
        };
        answer = match step {
            Step::Done => return walked,
            Step::Pause(_) => {
                walked.pauses += 1;
                Answer::Rested
            }
            Step::Fetch(request) | Step::Try(request) | Step::Download(request, _) => {
                walked.urls.push(request.url.to_string());
                reply(request.url.as_str())
            }
            Step::Messages(_) => panic!("a database is no mailbox"),
            Step::Store(batch) => {
                walked.batches.push(batch);
                Answer::Stored
            }
        };
    }
    panic!("the walk did not end within {most} steps: {} requests", walked.urls.len());
}

pub fn start<'a>(source: &'a Source, cursor: Option<&'a str>, since: Option<Timestamp>) -> Start<'a> {
    Start { source, key: None, cursor, since, now: NOW }
}

pub fn page(url: &str, body: impl Into<Vec<u8>>) -> Answer {
    let final_url = url.parse().expect("an address");
    let meta = Meta { final_url, moved_to: None, validators: Default::default(), max_age: None, next: None };
    Answer::Page(Box::new(Page { body: body.into(), content_type: Some("application/json".into()), meta }))
}

/// A temporary file with these bytes, at its beginning.
pub fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).and_then(|()| file.rewind()).expect("it can be written");
    file
}

/// A zip archive of these entries.
pub fn archive<N: AsRef<str>, B: AsRef<[u8]>>(entries: impl IntoIterator<Item = (N, B)>, packed: bool) -> Vec<u8> {
    let method = if packed { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = SimpleFileOptions::default().compression_method(method);
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(name.as_ref(), options).expect("an entry");
        writer.write_all(bytes.as_ref()).expect("its bytes");
    }
    writer.finish().expect("an archive").into_inner()
}

/// A CVE record, changed so many seconds after the start of 2099.
pub fn record(number: usize, seconds: i64) -> String {
    let changed = Timestamp::from_seconds(4_070_908_800 + seconds);
    format!(
        r#"{{"dataType": "CVE_RECORD", "dataVersion": "5.1",
        "cveMetadata": {{"cveId": "CVE-2099-{number}", "state": "PUBLISHED", "datePublished": "2099-01-01T00:00:00Z", "dateUpdated": "{changed}"}},
        "containers": {{"cna": {{"title": "Flaw {number}", "descriptions": [{{"lang": "en", "value": "Flaw number {number} of Acme Tunnel."}}],
        "affected": [{{"vendor": "Acme", "product": "Tunnel {number}", "versions": [{{"version": "1.{number}", "status": "affected"}}]}}],
        "metrics": [{{"cvssV3_1": {{"baseScore": 7.5, "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}}}}]}}}}}}"#
    )
}

/// The entries of an archive of CVE records as the CVE Program names them.
pub fn records(count: usize) -> Vec<(String, String)> {
    let name = |n: usize| format!("cves/2099/{}xxx/CVE-2099-{}.json", (10_000 + n) / 1_000, 10_000 + n);
    (0..count).map(|n| (name(n), record(10_000 + n, n as i64))).collect()
}
