//! Undoes `Content-Encoding` piece by piece, counting both sides, so that a small body cannot become a large one.

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};

use super::Limits;

/// A coding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// RFC 1952, several members too.
    Gzip,
    /// zlib (RFC 1950), or the bare deflate (RFC 1951) that some servers send under that name.
    Deflate,
    /// RFC 7932.
    Brotli,
}

impl Coding {
    /// The coding that `values` of `Content-Encoding` state, all of them joined.
    ///
    /// # Errors
    /// Names a coding that is unknown, or all of them where several are stacked.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut stated = values.into_iter().flat_map(|value| value.split(','));
        let named = |name: &str| match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            "br" => Ok(Self::Brotli),
            other => Err(format!("the coding '{other}' is not one that was asked for")),
        };
        stated.try_fold(Self::Identity, |sum, name| match (sum, named(name)?) {
            (Self::Identity, next) => Ok(next),
            (sum, Self::Identity) => Ok(sum),
            _ => Err("several codings are stacked".to_owned()),
        })
    }
}

/// Why a body cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// More bytes were sent than allowed.
    Sent,
    /// It became longer than allowed.
    Decoded,
    /// It grew by more than the allowed ratio.
    Ratio,
    /// It is not what its coding says, or ends too early.
    Corrupt,
}

/// A body in the making.
pub struct BodyReader {
    decoder: Decoder,
    coding: Coding,
    sent: usize,
    limit: usize,
}

enum Decoder {
    Identity(Sink),
    Gzip(Box<MultiGzDecoder<Sink>>),
    Deflate(Inflater),
    Brotli(Box<DecompressorWriter<Sink>>),
}

/// zlib and bare deflate, knowing whether the end has come: the library's own writer takes a cut stream for a whole one.
struct Inflater {
    state: Decompress,
    sink: Sink,
    ended: bool,
}

/// The bytes that come out, and their bounds. Once full it stays full.
struct Sink {
    out: Vec<u8>,
    most: usize,
    /// Where growth is being watched: the ratio, and the length from which on it counts.
    ratio: usize,
    floor: usize,
    sent: usize,
    full: Option<DecodeError>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.out.len().saturating_add(bytes.len());
        if length > self.most {
            self.full = Some(DecodeError::Decoded);
        } else if length > self.floor && length > self.sent.saturating_mul(self.ratio) {
            self.full = Some(DecodeError::Ratio);
        }
        if self.full.is_some() {
            return Err(io::Error::other("the body is too large"));
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BodyReader {
    /// A reader for a body under `coding`.
    pub fn new(coding: Coding, limits: &Limits) -> Self {
        let sink = Sink {
            out: Vec::new(),
            most: limits.decompressed,
            ratio: limits.ratio,
            floor: limits.ratio_floor,
            sent: 0,
            full: None,
        };
        Self { decoder: Decoder::Identity(sink), coding, sent: 0, limit: limits.compressed }
    }

    /// Bytes taken so far, as sent.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// Takes the next piece as sent.
    ///
    /// # Errors
    /// A bound is passed, or the bytes are not what the coding says.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), DecodeError> {
        let Some(first) = piece.first() else { return Ok(()) };
        if self.sent == 0 {
            self.begin(*first);
        }
        self.sent = self.sent.saturating_add(piece.len());
        if self.sent > self.limit {
            return Err(DecodeError::Sent);
        }
        self.decoder.sink().sent = self.sent;
        let mut rest = piece;
        while !rest.is_empty() {
            match self.decoder.write(rest) {
                // The coding's own end has come; what follows it is padding.
                Ok(0) => break,
                Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                Err(_) => return Err(self.decoder.sink().full.clone().unwrap_or(DecodeError::Corrupt)),
            }
        }
        Ok(())
    }

    /// Chooses the decoder when the first byte is here: an empty body needs none, whatever its coding says.
    fn begin(&mut self, first: u8) {
        let Decoder::Identity(sink) = &mut self.decoder else { return };
        let sink = std::mem::replace(sink, Sink { out: Vec::new(), most: 0, ratio: 0, floor: 0, sent: 0, full: None });
        self.decoder = match self.coding {
            Coding::Identity => Decoder::Identity(Sink { ratio: usize::MAX, ..sink }),
            Coding::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(sink))),
            // RFC 1950: the low four bits of a zlib stream name the method, always 8.
            Coding::Deflate => {
                Decoder::Deflate(Inflater { state: Decompress::new(first & 0x0f == 8), sink, ended: false })
            }
            Coding::Brotli => Decoder::Brotli(Box::new(DecompressorWriter::new(sink, 16 * 1024))),
        };
    }

    /// The whole body.
    ///
    /// # Errors
    /// As [`BodyReader::push`]; also where the coding's end has not come.
    pub fn finish(mut self) -> Result<Vec<u8>, DecodeError> {
        let ended = match &mut self.decoder {
            Decoder::Identity(_) => Ok(()),
            Decoder::Gzip(decoder) => decoder.try_finish(),
            Decoder::Deflate(inflater) if inflater.ended => Ok(()),
            Decoder::Deflate(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Decoder::Brotli(decoder) => decoder.close(),
        };
        let sink = self.decoder.sink();
        match (ended, sink.full.take()) {
            (_, Some(full)) => Err(full),
            (Err(_), None) => Err(DecodeError::Corrupt),
            (Ok(()), None) => Ok(std::mem::take(&mut sink.out)),
        }
    }
}

impl Inflater {
    /// Takes what it can of `bytes`; zero once the end has come.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let start = self.state.total_in();
        loop {
            let taken = usize::try_from(self.state.total_in() - start).unwrap_or(usize::MAX);
            let rest = bytes.get(taken..).unwrap_or_default();
            let before = self.state.total_out();
            let status = if self.ended { Status::StreamEnd } else { self.inflate(rest, &mut buffer)? };
            let made = usize::try_from(self.state.total_out() - before).unwrap_or(usize::MAX);
            self.sink.write_all(buffer.get(..made).unwrap_or_default())?;
            self.ended = status == Status::StreamEnd;
            let took = usize::try_from(self.state.total_in() - start).unwrap_or(usize::MAX);
            if self.ended || (made == 0 && took == taken) {
                return Ok(if self.ended { took } else { bytes.len() });
            }
        }
    }

    fn inflate(&mut self, from: &[u8], to: &mut [u8]) -> io::Result<Status> {
        Ok(self.state.decompress(from, to, FlushDecompress::None)?)
    }
}

impl Decoder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Identity(sink) => sink.write(bytes),
            Self::Gzip(decoder) => decoder.write(bytes),
            Self::Deflate(inflater) => inflater.write(bytes),
            Self::Brotli(decoder) => decoder.write(bytes),
        }
    }

    fn sink(&mut self) -> &mut Sink {
        match self {
            Self::Identity(sink) => sink,
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflate(inflater) => &mut inflater.sink,
            Self::Brotli(decoder) => decoder.get_mut(),
        }
    }
}
