//! FIRST's Exploit Prediction Scoring System: the daily file of all scores, in CSV, packed by gzip.
//!
//! ```text
//! #model_version:v2025.03.14,score_date:2026-11-22T00:00:00+0000
//! cve,epss,percentile
//! CVE-2099-0001,0.94321,0.99912
//! ```
//!
//! About 300,000 rows a day, read as a stream. A day that has been stored is not stored again. A bad row costs only
//! itself; a file cut short is told, and what came is stored.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};

use flate2::read::MultiGzDecoder;
use url::Url;

use super::archive::{Kind, sniff};
use super::walk::{self, Answer, Batch, Start, Step, Walk};
use super::{Format, Origin, ParseError, dates, pages};
use crate::config::sources::Source;
use crate::model::item::{EpssScore, Parsed};

/// The daily file.
pub const EPSS: Format = Format { name: "epss", parse, walk: Some(begin) };

const EXPECTED: &str = "EPSS scores in CSV";
/// Rows in a batch.
const BATCH: usize = 30_000;
/// Most bytes of the packed file, and of what it unpacks to.
const PACKED_MAX: u64 = 64 * 1024 * 1024;
const UNPACKED_MAX: u64 = 512 * 1024 * 1024;
/// Longest line, in bytes.
const LINE_MAX: u64 = 1_024;
/// How many bad rows are passed over before the file is taken for something else.
const BAD_MAX: usize = 10_000;

/// Reads a whole file in memory; the program reads it as a walk.
fn parse(bytes: &[u8], origin: &Origin<'_>) -> Result<Parsed, ParseError> {
    let reader: Box<dyn Read> = match bytes {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(bytes)),
        plain => Box::new(plain),
    };
    let mut rows = Rows::begin(reader, origin.url)?;
    let mut all = Parsed::default();
    let mut scores = Vec::new();
    while let Some((more, parsed)) = rows.batch()? {
        scores.extend(more);
        all.dropped += parsed.dropped;
        all.repairs.extend(parsed.repairs);
    }
    all.epss = Some((rows.day, scores));
    Ok(all)
}

fn begin(start: &Start<'_>) -> Result<Box<dyn Walk>, ParseError> {
    let known = start.cursor.filter(|cursor| cursor.len() == 10).map(str::to_owned);
    Ok(Box::new(Daily { source: start.source.clone(), known, rows: None, ended: false }))
}

struct Daily {
    source: Source,
    /// The day whose scores are stored.
    known: Option<String>,
    rows: Option<Packed>,
    ended: bool,
}

/// Rows out of a file, which tells how far they are.
struct Packed {
    rows: Rows<Box<dyn Read + Send>>,
    position: File,
    length: u64,
}

impl Walk for Daily {
    fn next(&mut self, answer: Answer) -> Result<Step, ParseError> {
        match answer {
            Answer::Begin => {
                return Ok(Step::Download(walk::request(&self.source, self.source.url.clone()), PACKED_MAX));
            }
            Answer::Unchanged => return Ok(Step::Done),
            Answer::Stored => {}
            other => {
                let opened = Packed::open(other.file("the EPSS file")?, &self.source.url)?;
                if self.known.as_deref() == Some(opened.rows.day.as_str()) {
                    return Ok(Step::Done);
                }
                self.rows = Some(opened);
            }
        }
        let Some(packed) = self.rows.as_mut().filter(|_| !self.ended) else { return Ok(Step::Done) };
        let day = packed.rows.day.clone();
        match packed.rows.batch()? {
            Some((scores, parsed)) => {
                let at = packed.position.stream_position().unwrap_or_default().min(packed.length);
                let progress = Some((at, packed.length));
                Ok(Step::Store(Batch {
                    parsed: Parsed { epss: Some((day, scores)), ..parsed },
                    cursor: None,
                    progress,
                }))
            }
            None => {
                self.ended = true;
                Ok(Step::Store(Batch { cursor: Some(day), ..Batch::default() }))
            }
        }
    }
}

impl Packed {
    fn open(mut file: File, url: &Url) -> Result<Self, ParseError> {
        let unread = |error| ParseError::unreadable(format!("the file cannot be read: {error}"));
        let kind = sniff(&mut file)?;
        let length = file.metadata().map_err(unread)?.len();
        // A second handle of the same file shows how far the first one has read.
        let position = file.try_clone().map_err(unread)?;
        let reader: Box<dyn Read + Send> = match kind {
            Kind::Gzip => Box::new(MultiGzDecoder::new(BufReader::new(file))),
            _ => Box::new(file),
        };
        Ok(Self { rows: Rows::begin(reader, url)?, position, length })
    }
}

/// The rows of a file, read as a stream.
struct Rows<R> {
    lines: BufReader<std::io::Take<R>>,
    day: String,
    /// Older files have no percentile.
    percentiles: bool,
    line: Vec<u8>,
    good: usize,
    bad: usize,
}

impl<R: Read> Rows<R> {
    /// Reads the lines before the first row. A file without a date in its first line is of the day that its name shows.
    fn begin(reader: R, url: &Url) -> Result<Self, ParseError> {
        let lines = BufReader::with_capacity(64 * 1024, reader.take(UNPACKED_MAX));
        let mut rows = Self { lines, day: String::new(), percentiles: true, line: Vec::new(), good: 0, bad: 0 };
        let mut day = None;
        loop {
            let Some(line) = rows.line()? else { return Err(ParseError::Empty) };
            if let Some(comment) = line.strip_prefix('#') {
                day =
                    comment.split(',').find_map(|pair| pair.trim().strip_prefix("score_date:")).and_then(dates::parse);
            } else if line.starts_with("cve,epss") {
                rows.percentiles = line == "cve,epss,percentile";
                break;
            } else if !line.is_empty() {
                let found = pages::recognize(&line).unwrap_or_else(|| "something else".to_owned());
                return Err(ParseError::NotThis { expected: EXPECTED, found });
            }
        }
        let named = || {
            let name = url.path_segments()?.next_back()?;
            dates::parse(name.strip_prefix("epss_scores-")?.get(..10)?)
        };
        let day = day.or_else(named);
        let day = day.ok_or_else(|| ParseError::unreadable("the EPSS file does not state its score_date"))?;
        rows.day = day.to_jiff().strftime("%Y-%m-%d").to_string();
        Ok(rows)
    }

    /// The next rows; absent at the end.
    fn batch(&mut self) -> Result<Option<(Vec<EpssScore>, Parsed)>, ParseError> {
        let mut scores = Vec::new();
        let mut parsed = Parsed::default();
        if self.good == 0 && !self.percentiles {
            parsed.repairs.push("the file is of the old kind without percentiles: they were read as 0".to_owned());
        }
        while scores.len() < BATCH {
            let Some(line) = self.line()? else { break };
            if line.is_empty() {
                continue;
            }
            match self.row(&line) {
                Some(score) => scores.push(score),
                None => parsed.dropped += 1,
            }
            if self.bad + parsed.dropped > BAD_MAX {
                let reason = format!("more than {BAD_MAX} rows of the EPSS file are no scores; it was not read on");
                return Err(ParseError::unreadable(reason));
            }
        }
        self.bad += parsed.dropped;
        self.good += scores.len();
        Ok((!scores.is_empty() || parsed.dropped > 0).then_some((scores, parsed)))
    }

    fn row(&self, line: &str) -> Option<EpssScore> {
        let mut fields = line.split(',').map(str::trim);
        let share = |text: &str| text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
        let cve = fields.next()?.parse().ok()?;
        let score = share(fields.next()?)?;
        let percentile = if self.percentiles { share(fields.next()?)? } else { 0.0 };
        fields.next().is_none().then_some(EpssScore { cve, score, percentile })
    }

    /// The next line without its end; absent at the end. Of a line that is too long only the beginning is read.
    fn line(&mut self) -> Result<Option<String>, ParseError> {
        self.line.clear();
        let broken = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => ParseError::unreadable(
                "the EPSS file is cut short; what came is stored, the rest is read at the next try",
            ),
            _ => ParseError::unreadable(format!("the EPSS file is damaged: {error}")),
        };
        let read = self.lines.by_ref().take(LINE_MAX).read_until(b'\n', &mut self.line).map_err(broken)?;
        if read == 0 {
            let whole = self.lines.get_ref().limit() > 0;
            let reason = format!("the EPSS file unpacks to more than {} MiB", UNPACKED_MAX >> 20);
            return if whole { Ok(None) } else { Err(ParseError::unreadable(reason)) };
        }
        Ok(Some(String::from_utf8_lossy(&self.line).trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const HEAD: &str = "#model_version:v2099.01.01,score_date:2099-11-22T00:00:00+0000\ncve,epss,percentile\n";

    fn read(bytes: &[u8]) -> Result<Parsed, ParseError> {
        let url = Url::parse("https://epss.example/epss_scores-current.csv.gz").expect("an address");
        parse(bytes, &Origin::of(&url, None))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bytes).and_then(|()| packer.finish()).expect("memory takes it")
    }

    #[test]
    fn a_bad_row_costs_only_itself() {
        let text = format!(
            "{HEAD}CVE-2099-0001,0.5,0.9\nCVE-2099-0002,1.5,0.9\nnot a row\nCVE-2099-0003,NaN,1\nCVE-2099-0004,0.00001,0.1\r\n"
        );
        for bytes in [text.clone().into_bytes(), gzip(text.as_bytes())] {
            let parsed = read(&bytes).expect("scores");
            let (day, scores) = parsed.epss.expect("scores");
            assert_eq!((day.as_str(), scores.len(), parsed.dropped), ("2099-11-22", 2, 3));
            assert_eq!((scores[1].cve.as_str(), scores[1].score), ("CVE-2099-0004", 0.000_01));
        }
    }

    #[test]
    fn what_is_no_such_file_is_said() {
        assert!(matches!(read(b"<html><title>Access Denied</title>"), Err(ParseError::NotThis { .. })));
        assert!(matches!(read(b"cve,epss,percentile\n"), Err(ParseError::Unreadable { .. })), "no date");
        assert_eq!(read(b""), Err(ParseError::Empty));
        let noise = format!("{HEAD}{}", "x\n".repeat(BAD_MAX + 5));
        assert!(matches!(read(noise.as_bytes()), Err(ParseError::Unreadable { .. })));
    }

    #[test]
    fn a_file_cut_short_is_no_whole_file() {
        let rows: String = (0..5_000).map(|n| format!("CVE-2099-{},0.{n:05},0.5\n", 10_000 + n)).collect();
        let packed = gzip(format!("{HEAD}{rows}").as_bytes());
        assert!(read(&packed).is_ok());
        assert!(matches!(read(&packed[..packed.len() / 2]), Err(ParseError::Unreadable { .. })));
    }
}
