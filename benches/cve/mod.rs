//! Archives of made CVE records, in the shape and size of real ones.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;

/// The number of the first record, `CVE-2099-10000`.
const FIRST: usize = 10_000;
/// Words that texts are made of.
const VOCABULARY: usize = 30_000;

/// Writes an archive of the records of these numbers, as the CVE program publishes them.
#[allow(dead_code, reason = "not every bench that makes records leaves their products to chance")]
pub fn archive(path: &Path, numbers: Range<usize>) {
    archive_of(path, numbers, |number| (format!("Vendor {}", number % 900), format!("Relay {number}")));
}

/// The same, about the products (vendor and name) of these numbers.
pub fn archive_of(path: &Path, numbers: Range<usize>, product: impl Fn(usize) -> (String, String)) {
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    let mut archive = zip::ZipWriter::new(BufWriter::new(File::create(path).unwrap()));
    for number in numbers {
        let id = format!("CVE-2099-{}", FIRST + number);
        archive.start_file(format!("cves/2099/{}xxx/{id}.json", (FIRST + number) / 1_000), options).unwrap();
        archive.write_all(record(&id, number, &product(number)).as_bytes()).unwrap();
    }
    archive.finish().unwrap().flush().unwrap();
}

/// A record of about 4 kB, of which half is what it says and half is versions.
fn record(id: &str, number: usize, (vendor, product): &(String, String)) -> String {
    let versions: Vec<String> = (0..12)
        .map(|minor| format!("{{\"version\": \"{number}.{minor}\", \"lessThan\": \"{number}.{minor}.9\", \"status\": \"affected\", \"versionType\": \"semver\"}}"))
        .collect();
    format!(
        "{{\"dataType\": \"CVE_RECORD\", \"dataVersion\": \"5.1\", \"cveMetadata\": {{\"cveId\": \"{id}\", \"state\": \"PUBLISHED\", \"datePublished\": \"2099-01-01T00:00:00Z\", \"dateUpdated\": \"2099-01-02T00:00:00Z\"}}, \
         \"containers\": {{\"cna\": {{\"title\": \"Flaw {number} of {product}\", \"descriptions\": [{{\"lang\": \"en\", \"value\": \"{}\"}}], \
         \"affected\": [{{\"vendor\": \"{vendor}\", \"product\": \"{product}\", \"versions\": [{}]}}], \
         \"metrics\": [{{\"cvssV3_1\": {{\"baseScore\": 7.5, \"vectorString\": \"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N\"}}}}], \
         \"problemTypes\": [{{\"descriptions\": [{{\"lang\": \"en\", \"cweId\": \"CWE-306\", \"description\": \"Missing authentication\"}}]}}]}}}}}}",
        text(number, 110),
        versions.join(", ")
    )
}

/// Sentences whose words are as unevenly frequent as those of a language (Zipf), the same for the same number.
fn text(number: usize, words: usize) -> String {
    let mut state = number as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut sentence = String::new();
    for at in 0..words {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let even = (state >> 11) as f64 / (1_u64 << 53) as f64;
        let rank = (VOCABULARY as f64).powf(even) as usize;
        sentence.push_str(&word(rank));
        sentence.push_str(if at % 14 == 13 { ". " } else { " " });
    }
    sentence
}

/// The word of a rank, from syllables.
pub fn word(mut rank: usize) -> String {
    const SYLLABLES: [&str; 20] = [
        "ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "wu", "xa", "ye", "zi",
        "bro", "tre",
    ];
    let mut word = String::new();
    loop {
        word.push_str(SYLLABLES[rank % SYLLABLES.len()]);
        rank /= SYLLABLES.len();
        if rank == 0 {
            return word + "s";
        }
    }
}
