//! Zip archives (PKWARE APPNOTE 6.3), entry by entry, out of a file and in constant memory.
//!
//! The directory is read as it goes and never held: an archive of all CVE records has more than 300,000 entries. An
//! archive is hostile until shown otherwise: what it states of counts, sizes and places is checked against the file,
//! what it unpacks to is counted, and an entry that is damaged or lies costs only itself.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::ParseError;

/// Most entries that an archive may state.
const ENTRIES_MAX: u64 = 2_000_000;
/// Largest entry that is unpacked, in bytes.
const ENTRY_MAX: u64 = 16 * 1024 * 1024;
/// Most that all entries together may unpack to, in bytes.
const TOTAL_MAX: u64 = 32 * 1024 * 1024 * 1024;
/// How many times larger than its packed form an entry may be, once it is past [`RATIO_FLOOR`] bytes.
const RATIO: u64 = 200;
const RATIO_FLOOR: u64 = 1024 * 1024;
/// Longest name that is read, in bytes.
const NAME_MAX: usize = 1_024;
/// Piece of the directory that is read at once.
const PIECE: usize = 256 * 1024;

const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const END_LENGTH: usize = 22;
const CENTRAL_LENGTH: usize = 46;
const LOCAL_LENGTH: u64 = 30;
/// More than the extra fields of a local header usually take, so that header and data come in one read.
const LOCAL_ROOM: u64 = 64;

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A zip archive.
    Zip,
    /// gzip (RFC 1952).
    Gzip,
    /// Anything else.
    Plain,
}

/// What `file` is. It is left at its beginning.
///
/// # Errors
/// Where it cannot be read.
pub fn sniff(file: &mut File) -> Result<Kind, ParseError> {
    let mut start = Vec::with_capacity(4);
    file.rewind().map_err(unread)?;
    file.by_ref().take(4).read_to_end(&mut start).map_err(unread)?;
    file.rewind().map_err(unread)?;
    Ok(match start.as_slice() {
        // An archive without entries begins with its end.
        start if start == LOCAL || start == END => Kind::Zip,
        [0x1f, 0x8b, ..] => Kind::Gzip,
        _ => Kind::Plain,
    })
}

/// An archive being read.
#[derive(Debug)]
pub struct Archive {
    file: File,
    /// Where the archive begins in the file: it may stand, stored, in another one.
    base: u64,
    /// The directory: where it begins and ends, from `base`, and how far it has been read.
    directory: u64,
    directory_end: u64,
    at: u64,
    /// What has been read of the directory and not been used.
    piece: Vec<u8>,
    used: usize,
    entries: u64,
    passed: u64,
    packed: u64,
    unpacked: u64,
}

/// An entry of an archive.
#[derive(Debug)]
pub struct Entry {
    /// Its path in the archive. Only for telling entries apart: nothing is ever written by it.
    pub name: String,
    /// Its bytes, or what is wrong with it.
    pub content: Result<Vec<u8>, String>,
}

/// What the directory says of an entry.
struct Listed {
    name: String,
    method: u16,
    encrypted: bool,
    crc: u32,
    packed: u64,
    unpacked: u64,
    offset: u64,
}

impl Archive {
    /// Opens an archive. One that holds nothing but another archive, stored, is passed through: the list of all CVE
    /// records comes so.
    ///
    /// # Errors
    /// Where it is not an archive, is cut short, or states what cannot be.
    pub fn open(file: File) -> Result<Self, ParseError> {
        let length = file.metadata().map_err(unread)?.len();
        let mut archive = Self::within(file, 0, length)?;
        if archive.entries != 1 {
            return Ok(archive);
        }
        let Some(only) = archive.listed()? else { return Ok(archive) };
        if !only.name.to_ascii_lowercase().ends_with(".zip") {
            return archive.reopened();
        }
        if only.method != 0 || only.encrypted {
            let reason = format!("it holds another archive, {}; unpack it once and import that file", only.name);
            return Err(ParseError::unreadable(reason));
        }
        let (_, start) = archive.local(&only, 0)?;
        let from = only.offset + start;
        Self::within(archive.file, from, from + only.packed)
    }

    /// The same archive from its beginning.
    fn reopened(self) -> Result<Self, ParseError> {
        let length = self.file.metadata().map_err(unread)?.len();
        Self::within(self.file, 0, length)
    }

    /// The archive in the bytes `base..end` of `file`.
    fn within(mut file: File, base: u64, end: u64) -> Result<Self, ParseError> {
        let length = end.saturating_sub(base);
        let tail_length = length.min((END_LENGTH + usize::from(u16::MAX)) as u64);
        let tail = read_at(&mut file, end - tail_length, tail_length)?;
        let found = (0..=tail.len().saturating_sub(END_LENGTH)).rev().find(|at| tail[*at..].starts_with(&END));
        let Some(at) = found.filter(|_| tail.len() >= END_LENGTH) else {
            return Err(ParseError::unreadable("the archive has no directory: it is cut short; download it again"));
        };
        let record = &tail[at..];
        let end_at = length - tail_length + at as u64;
        let (mut entries, mut size) = (u64::from(u16_at(record, 10)), u64::from(u32_at(record, 12)));
        let mut directory = u64::from(u32_at(record, 16));
        if entries == u64::from(u16::MAX) || size == u64::from(u32::MAX) || directory == u64::from(u32::MAX) {
            (entries, size, directory) = large(&mut file, base, end_at)?.unwrap_or((entries, size, directory));
        }
        let directory_end = directory.checked_add(size).filter(|end| *end <= end_at);
        let Some(directory_end) = directory_end else {
            return Err(ParseError::unreadable("the archive's directory lies outside of it; download it again"));
        };
        if entries > ENTRIES_MAX || entries.saturating_mul(CENTRAL_LENGTH as u64) > size {
            let reason = format!("the archive states {entries} entries in a directory of {size} bytes");
            return Err(ParseError::unreadable(reason));
        }
        Ok(Self {
            file,
            base,
            directory,
            directory_end,
            at: directory,
            piece: Vec::new(),
            used: 0,
            entries,
            passed: 0,
            packed: 0,
            unpacked: 0,
        })
    }

    /// How many entries the archive states.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// How many entries have been passed.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// The next entry whose name `wanted` accepts; others are not unpacked.
    ///
    /// # Errors
    /// Where the directory is damaged, or the archive is one that unpacks without end.
    pub fn next(&mut self, wanted: &dyn Fn(&str) -> bool) -> Result<Option<Entry>, ParseError> {
        while let Some(listed) = self.listed()? {
            if listed.name.ends_with('/') || !wanted(&listed.name) {
                continue;
            }
            let content = self.unpack(&listed)?;
            return Ok(Some(Entry { name: listed.name, content }));
        }
        Ok(None)
    }

    /// Passes over the next `count` entries.
    ///
    /// # Errors
    /// Where the directory is damaged.
    pub fn skip(&mut self, count: u64) -> Result<(), ParseError> {
        for _ in 0..count {
            if self.listed()?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The next line of the directory.
    fn listed(&mut self) -> Result<Option<Listed>, ParseError> {
        if self.passed == self.entries {
            return Ok(None);
        }
        let damaged = || ParseError::unreadable("the archive's directory is damaged; download it again");
        let fixed = self.directory_bytes(CENTRAL_LENGTH)?.ok_or_else(damaged)?;
        if !fixed.starts_with(&CENTRAL) {
            return Err(damaged());
        }
        let lengths = [28, 30, 32].map(|at| usize::from(u16_at(&fixed, at)));
        let rest = self.directory_bytes(lengths.iter().sum())?.ok_or_else(damaged)?;
        let name = String::from_utf8_lossy(&rest[..lengths[0].min(NAME_MAX)]).into_owned();
        let extra = &rest[lengths[0]..lengths[0] + lengths[1]];
        let stated = [24, 20, 42].map(|at| u64::from(u32_at(&fixed, at)));
        let [unpacked, packed, offset] = widened(stated, extra);
        self.passed += 1;
        Ok(Some(Listed {
            name,
            method: u16_at(&fixed, 10),
            encrypted: u16_at(&fixed, 8) & 1 != 0,
            crc: u32_at(&fixed, 16),
            packed,
            unpacked,
            offset,
        }))
    }

    /// The next `count` bytes of the directory; absent where it has no more.
    fn directory_bytes(&mut self, count: usize) -> Result<Option<Vec<u8>>, ParseError> {
        if self.piece.len() - self.used < count {
            let mut piece = self.piece.split_off(self.used);
            let more = (PIECE as u64).min(self.directory_end - self.at);
            piece.extend(read_at(&mut self.file, self.base + self.at, more)?);
            self.at += more;
            (self.piece, self.used) = (piece, 0);
        }
        let bytes = self.piece.get(self.used..self.used + count).map(<[u8]>::to_vec);
        self.used += if bytes.is_some() { count } else { 0 };
        Ok(bytes)
    }

    /// An entry's local header with what follows it, and where in that its packed bytes begin.
    fn local(&mut self, listed: &Listed, following: u64) -> Result<(Vec<u8>, u64), ParseError> {
        let outside = || ParseError::unreadable(format!("the entry {:.100} lies outside of the archive", listed.name));
        let room = self.directory.checked_sub(listed.offset).ok_or_else(outside)?;
        let most = LOCAL_LENGTH + listed.name.len() as u64 + LOCAL_ROOM + following;
        let mut bytes = read_at(&mut self.file, self.base + listed.offset, most.min(room))?;
        if (bytes.len() as u64) < LOCAL_LENGTH || !bytes.starts_with(&LOCAL) {
            return Err(outside());
        }
        let start = LOCAL_LENGTH + u64::from(u16_at(&bytes, 26)) + u64::from(u16_at(&bytes, 28));
        if start.checked_add(listed.packed).is_none_or(|end| end > room) {
            return Err(outside());
        }
        if (bytes.len() as u64) < start + following {
            bytes = read_at(&mut self.file, self.base + listed.offset, start + following)?;
        }
        Ok((bytes, start))
    }

    fn unpack(&mut self, listed: &Listed) -> Result<Result<Vec<u8>, String>, ParseError> {
        let Listed { packed, unpacked, method, .. } = *listed;
        if listed.encrypted {
            return Ok(Err("it is encrypted".to_owned()));
        }
        if unpacked > ENTRY_MAX || packed > ENTRY_MAX {
            return Ok(Err(format!("it is larger than {} MiB", ENTRY_MAX >> 20)));
        }
        self.unpacked += unpacked;
        self.packed += packed;
        // Entries that share their bytes are a way to unpack without end out of a small file.
        if self.unpacked > TOTAL_MAX || self.packed > self.directory {
            return Err(ParseError::unreadable("the archive unpacks to more than any real one; it was not read on"));
        }
        if unpacked > RATIO_FLOOR && unpacked > packed.saturating_mul(RATIO) {
            let reason = format!("an entry of the archive grows more than {RATIO}-fold; it was not read on");
            return Err(ParseError::unreadable(reason));
        }
        let (local, start) = self.local(listed, packed)?;
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let length = usize::try_from(packed).unwrap_or_default();
        let packed = local.get(start..).map(|rest| &rest[..length.min(rest.len())]).unwrap_or_default();
        let mut bytes = Vec::with_capacity(usize::try_from(unpacked).unwrap_or_default());
        let read = match method {
            0 => packed.take(unpacked + 1).read_to_end(&mut bytes),
            8 => DeflateDecoder::new(packed).take(unpacked + 1).read_to_end(&mut bytes),
            other => return Ok(Err(format!("it is packed by method {other}; only deflate is read"))),
        };
        if let Err(fault) = read {
            return Ok(Err(format!("it is damaged ({fault})")));
        }
        if bytes.len() as u64 != unpacked {
            return Ok(Err(format!("it states {unpacked} bytes and has others")));
        }
        let mut crc = Crc::new();
        crc.update(&bytes);
        Ok(if crc.sum() == listed.crc { Ok(bytes) } else { Err("its checksum is wrong".to_owned()) })
    }
}

/// Count, size and place of the directory of an archive beyond 65,535 entries or 4 GiB (APPNOTE 4.3.14 and 4.3.15).
fn large(file: &mut File, base: u64, end_at: u64) -> Result<Option<(u64, u64, u64)>, ParseError> {
    let Some(locator_at) = end_at.checked_sub(20) else { return Ok(None) };
    let locator = read_at(file, base + locator_at, 20)?;
    if !locator.starts_with(&LOCATOR_64) {
        return Ok(None);
    }
    let at = u64_at(&locator, 8);
    if at.checked_add(56).is_none_or(|end| end > locator_at) {
        return Ok(None);
    }
    let record = read_at(file, base + at, 56)?;
    let whole = record.starts_with(&END_64);
    Ok(whole.then(|| (u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48))))
}

/// Sizes and offset, where they do not fit 32 bits, out of the extra field 1 (APPNOTE 4.5.3).
fn widened(mut stated: [u64; 3], mut extra: &[u8]) -> [u64; 3] {
    while extra.len() >= 4 {
        let length = usize::from(u16_at(extra, 2)).min(extra.len() - 4);
        let (mut value, rest) = extra[4..].split_at(length);
        if u16_at(extra, 0) == 1 {
            for number in stated.iter_mut().filter(|number| **number == u64::from(u32::MAX)) {
                let Some((eight, after)) = value.split_at_checked(8) else { break };
                *number = u64_at(eight, 0);
                value = after;
            }
        }
        extra = rest;
    }
    stated
}

/// Up to `length` bytes at `offset`, as many as there are.
fn read_at(file: &mut File, offset: u64, length: u64) -> Result<Vec<u8>, ParseError> {
    file.seek(SeekFrom::Start(offset)).map_err(unread)?;
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(ENTRY_MAX)).unwrap_or_default());
    file.by_ref().take(length).read_to_end(&mut bytes).map_err(unread)?;
    Ok(bytes)
}

#[expect(clippy::needless_pass_by_value, reason = "it is the shape that map_err wants")]
fn unread(error: std::io::Error) -> ParseError {
    ParseError::unreadable(format!("the file cannot be read: {error}"))
}

/// Little-endian numbers; zero where the bytes are missing.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}
