//! Compression: what is undone, what is refused, and bombs.

use std::io::Write;

use proptest::prelude::*;
use rattlewatch::http::{Excess, FetchError};

use super::{client_with, error_of, get, page, small};
use crate::support::http_server::reply::gzip;
use crate::support::http_server::{HttpServer, Reply};

const TEXT: &[u8] = b"Multiple vulnerabilities in a gateway could allow remote code execution. Update it at once.";

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut packed, 4096, 9, 22);
    writer.write_all(bytes).expect("writing to memory");
    drop(writer);
    packed
}

/// The name of a coding, and what makes it.
type Encoder = (&'static str, fn(&[u8]) -> Vec<u8>);

fn encoders() -> [Encoder; 5] {
    [("gzip", gzip), ("X-GZip", gzip), ("deflate", zlib), ("deflate", deflate), ("br", brotli)]
}

#[tokio::test]
async fn every_coding_is_undone_however_the_bytes_arrive() {
    let server = HttpServer::start().await;
    let client = client_with(small());
    let long: Vec<u8> =
        (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).take(60_000).collect();
    for (coding, encode) in encoders() {
        for body in [TEXT, b"x", &long] {
            for piece in [1, 7, 100_000] {
                if piece == 1 && body.len() > 1000 {
                    continue;
                }
                let reply = Reply::chunked("text/plain", encode(body), piece).header("Content-Encoding", coding);
                server.route("/x", reply);
                assert_eq!(page(get(&client, &server.url("/x")).await).body, body, "{coding} in pieces of {piece}");
            }
        }
    }
}

#[tokio::test]
async fn harmless_oddities_are_accepted() {
    let server = HttpServer::start().await;
    let client = client_with(small());
    let members = [gzip(b"one "), gzip(b"two")].concat();
    let cases = [
        (Reply::encoded("text/plain", "gzip", members), &b"one two"[..]),
        (Reply::encoded("text/plain", "identity", "plain"), b"plain"),
        (Reply::encoded("text/plain", "", "plain"), b"plain"),
        (Reply::encoded("text/plain", "gzip, identity", gzip(b"x")), b"x"),
        (Reply::encoded("text/plain", "gzip", ""), b""),
        (Reply::encoded("text/plain", "deflate", [zlib(b"x"), vec![0; 9]].concat()), b"x"),
        (Reply::encoded("text/plain", "br", [brotli(b"x"), vec![0; 9]].concat()), b"x"),
    ];
    for (reply, body) in cases {
        server.route("/x", reply.clone());
        assert_eq!(page(get(&client, &server.url("/x")).await).body, body, "{reply:?}");
    }
}

#[tokio::test]
async fn unknown_and_stacked_codings_are_refused_by_name() {
    for (coding, word) in
        [("zstd", "zstd"), ("compress", "compress"), ("gzip, gzip", "stacked"), ("br, gzip", "stacked")]
    {
        let error = error_of(small(), Reply::encoded("text/plain", coding, TEXT)).await;
        assert!(matches!(error, FetchError::Decode { .. }), "{coding}: {error:?}");
        assert!(error.sentence().contains(word), "{coding}: {error}");
    }
    let twice = Reply::encoded("text/plain", "gzip", TEXT).header("Content-Encoding", "br");
    assert!(error_of(small(), twice).await.sentence().contains("stacked"));
}

#[tokio::test]
async fn damaged_and_cut_bodies_are_told_from_documents() {
    for (coding, encode) in encoders() {
        let whole = encode(TEXT);
        let cut = whole[..whole.len() - 5].to_vec();
        for body in [cut, b"<rss>not compressed</rss>".to_vec()] {
            let error = error_of(small(), Reply::encoded("text/plain", coding, body)).await;
            assert!(matches!(error, FetchError::Decode { .. }), "{coding}: {error:?}");
        }
    }
}

#[tokio::test]
async fn bombs_of_every_coding_are_stopped_while_they_open() {
    let zeros = vec![0; 8 << 20];
    for (coding, encode) in encoders() {
        let bomb = encode(&zeros);
        assert!(bomb.len() < 20_000, "{coding}: {}", bomb.len());
        let error = error_of(small(), Reply::encoded("text/plain", coding, bomb)).await;
        let stopped = matches!(error, FetchError::Bomb { ratio: 200, .. })
            || matches!(error, FetchError::TooLarge { excess: Excess::Decoded(300_000), .. });
        assert!(stopped, "{coding}: {error:?}");
    }
    let error = error_of(small(), Reply::gzip_bomb(150_000)).await;
    assert!(matches!(error, FetchError::Bomb { .. }), "over the ratio though under the size: {error:?}");
}

#[tokio::test]
async fn a_document_that_compresses_well_is_no_bomb() {
    let server = HttpServer::start().await;
    server.route("/x", Reply::gzip("text/plain", &vec![b' '; 50_000]));
    assert_eq!(page(get(&client_with(small()), &server.url("/x")).await).body.len(), 50_000);
    let incompressible: Vec<u8> = (0..90_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    server.route("/x", Reply::gzip("text/plain", &incompressible[..300_001]));
    let error = get(&client_with(small()), &server.url("/x")).await.expect_err("must fail");
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_a_decoder_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), which in 0..5_usize) {
        let (coding, encode) = encoders()[which];
        let mut body = encode(&TEXT.repeat(20));
        for (at, byte) in flips {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let outcome = runtime.block_on(async {
            let server = HttpServer::start().await;
            server.route("/x", Reply::encoded("text/plain", coding, body));
            get(&client_with(small()), &server.url("/x")).await
        });
        let fine = matches!(outcome, Ok(_) | Err(FetchError::Decode { .. } | FetchError::Bomb { .. } | FetchError::TooLarge { .. }));
        prop_assert!(fine, "{outcome:?}");
    }
}
