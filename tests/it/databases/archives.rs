//! Archives of records: read in batches, gone on with, and hostile ones refused.

use std::time::{Duration, Instant};

use rattlewatch::formats::ParseError;
use rattlewatch::formats::walk::Answer;
use rattlewatch::model::clock::Timestamp;

use super::{Walked, archive, drive, file, record, records, source, start};

const URL: &str = "https://cve.example/all.zip";
const HISTORY: Option<Timestamp> = Some(Timestamp(0));

fn import(bytes: &[u8]) -> Walked {
    let source = source("cve", URL);
    drive(&start(&source, None, HISTORY), Answer::File(file(bytes)), 1_000, |_| Answer::Missing)
}

fn refused(bytes: &[u8], word: &str) {
    let begun = Instant::now();
    let walked = import(bytes);
    let fault = walked.fault.unwrap_or_else(|| panic!("{word}: it was read"));
    assert!(matches!(fault, ParseError::Unreadable { .. }) && fault.to_string().contains(word), "{fault}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{word}: {:?}", begun.elapsed());
}

/// Where the directory of an archive begins.
fn directory(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|four| four == b"PK\x01\x02").expect("a directory")
}

#[test]
fn an_archive_is_read_in_batches_and_what_is_no_record_is_passed_over() {
    let mut entries = records(450);
    entries.insert(7, ("cves/deltaLog.json".into(), "[]".into()));
    entries.insert(9, ("cves/".into(), String::new()));
    for packed in [true, false] {
        let walked = import(&archive(entries.clone(), packed));
        assert_eq!(walked.fault, None);
        let sizes: Vec<usize> = walked.batches.iter().map(|batch| batch.parsed.items.len()).collect();
        assert_eq!((walked.items(), walked.dropped()), (450, 0));
        assert!(sizes.iter().all(|size| *size <= 200), "{sizes:?}");
        assert_eq!(walked.batches.last().and_then(|batch| batch.progress), Some((452, 452)));
    }
}

#[test]
fn a_reading_that_was_cut_short_goes_on_where_its_last_batch_ended() {
    let bytes = archive(records(450), true);
    let first = import(&bytes);
    let source = source("cve", URL);
    let cursor = first.batches[0].cursor.clone().expect("a place");
    let rest = drive(&start(&source, Some(&cursor), HISTORY), Answer::Begin, 100, |_| Answer::File(file(&bytes)));
    assert_eq!(rest.items(), 250);
    // Another archive: from its beginning.
    let other = archive(records(300), true);
    let anew = drive(&start(&source, Some(&cursor), HISTORY), Answer::Begin, 100, |_| Answer::File(file(&other)));
    assert_eq!(anew.items(), 300);
    for hostile in ["", "{", "[]", "{\"done\": -1}", "{\"done\": 18446744073709551615, \"of\": 450}"] {
        let walked = drive(&start(&source, Some(hostile), HISTORY), Answer::Begin, 100, |_| Answer::File(file(&bytes)));
        assert_eq!(walked.fault, None, "{hostile}");
    }
}

#[test]
fn a_first_reading_takes_the_newest_200_and_a_later_one_what_changed() {
    let source = source("cve", URL);
    let bytes = archive(records(450), true);
    let first = drive(&start(&source, None, None), Answer::Begin, 100, |_| Answer::File(file(&bytes)));
    assert_eq!(first.items(), 200);
    let items = &first.batches[0].parsed.items;
    assert_eq!(
        (items[0].title.as_str(), items[199].title.as_str()),
        ("Flaw 10449 (CVE-2099-10449)", "Flaw 10250 (CVE-2099-10250)")
    );
    let mut entries = records(450);
    entries.push(("cves/2099/99xxx/CVE-2099-99999.json".into(), record(99_999, 1_000)));
    let later = archive(entries, true);
    let second = drive(&start(&source, first.cursor(), None), Answer::Begin, 100, |_| Answer::File(file(&later)));
    // What was changed at the very last instant comes again.
    assert_eq!(second.items(), 2);
}

#[test]
fn an_archive_within_an_archive_is_passed_through_where_it_is_stored() {
    let inner = archive(records(20), true);
    assert_eq!(import(&archive([("cves.zip", &inner)], false)).items(), 20);
    refused(&archive([("cves.zip", &inner)], true), "unpack it once");
}

#[test]
fn a_bomb_is_not_unpacked() {
    let mut entries: Vec<(String, Vec<u8>)> =
        records(3).into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    entries.push(("CVE-2099-1111.json".into(), vec![b' '; 15 * 1024 * 1024]));
    refused(&archive(entries, true), "grows more than");
    // One that is too large even as stated costs only itself.
    let mut entries: Vec<(String, Vec<u8>)> =
        records(3).into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    entries.push(("CVE-2099-1111.json".into(), vec![b' '; 17 * 1024 * 1024]));
    let walked = import(&archive(entries, true));
    assert_eq!((walked.items(), walked.dropped(), walked.fault), (3, 1, None));
}

#[test]
fn an_entry_that_lies_about_its_size_costs_only_itself() {
    let whole = archive(records(3), true);
    let at = directory(&whole);
    for stated in [1_u32, 100, 5_000_000] {
        let mut lying = whole.clone();
        lying[at + 24..at + 28].copy_from_slice(&stated.to_le_bytes());
        let walked = import(&lying);
        assert!(
            walked.fault.is_some() || (walked.items(), walked.dropped()) == (2, 1),
            "{stated}: {:?}",
            walked.repairs()
        );
    }
    let mut crc = whole.clone();
    crc[at + 16] ^= 0xff;
    let walked = import(&crc);
    assert_eq!((walked.items(), walked.dropped()), (2, 1));
    assert!(walked.repairs()[0].contains("checksum"), "{:?}", walked.repairs());
}

#[test]
fn counts_and_places_that_cannot_be_are_refused() {
    let whole = archive(records(3), true);
    let end = whole.len() - 22;
    let mut many = whole.clone();
    many[end + 8..end + 12].copy_from_slice(&[0xfe, 0xff, 0xfe, 0xff]);
    refused(&many, "states 65534 entries");
    // A million entries, stated the way of large archives.
    let mut million = whole[..end].to_vec();
    let at = directory(&whole) as u64;
    let mut record = b"PK\x06\x06".to_vec();
    record.extend(44_u64.to_le_bytes());
    record.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for number in [1_000_000_u64, 1_000_000, end as u64 - at, at] {
        record.extend(number.to_le_bytes());
    }
    million.extend(&record);
    million.extend(b"PK\x06\x07\0\0\0\0");
    million.extend((end as u64).to_le_bytes());
    million.extend(1_u32.to_le_bytes());
    million.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
    refused(&million, "states 1000000 entries");
    refused(&whole[..whole.len() - 30], "cut short");
    let mut outside = whole.clone();
    outside[at as usize + 42..at as usize + 46].copy_from_slice(&u32::MAX.to_le_bytes());
    refused(&outside, "outside");
    // All entries at the place of the first: they would unpack the same bytes again and again.
    let big: Vec<(String, Vec<u8>)> =
        (0..200).map(|n| (format!("CVE-2099-{}.json", 1_000 + n), noise(if n == 0 { 60_000 } else { 10 }))).collect();
    let mut shared = archive(big, true);
    let (first, mut at) = (directory(&shared), directory(&shared));
    let (name, line) = (18, 46 + 18);
    assert_eq!(&shared[at + 46..at + 46 + name], b"CVE-2099-1000.json");
    let template = shared[first + 16..first + 28].to_vec();
    while shared[at..].starts_with(b"PK\x01\x02") {
        shared[at + 16..at + 28].copy_from_slice(&template);
        shared[at + 42..at + 46].copy_from_slice(&[0; 4]);
        at += line;
    }
    refused(&shared, "more than any real one");
}

/// Bytes that do not pack.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(length)
    .collect()
}

#[test]
fn no_damage_to_an_archive_makes_the_reader_panic_or_run_on() {
    let whole = archive(records(3), true);
    let begun = Instant::now();
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            import(&damaged);
        }
        if at % 7 == 0 {
            import(&whole[..at]);
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(240), "{:?}", begun.elapsed());
}

#[test]
fn a_single_record_in_a_file_is_read_too() {
    let walked = import(record(4_711, 0).as_bytes());
    assert_eq!((walked.items(), walked.fault), (1, None));
    refused(b"{\"cveMetadata\": ", "damaged");
    assert!(matches!(import(b"<html><title>Access Denied").fault, Some(ParseError::NotThis { .. })));
    assert_eq!(import(b"").fault, Some(ParseError::Empty));
}
