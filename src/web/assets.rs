//! Assets: the style sheet, the script and the icon, in the binary, under names that change with their content.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use sha2::{Digest, Sha256};

use super::cache::{packed, takes_gzip};

/// A file that pages refer to.
pub(super) struct Asset {
    name: LazyLock<String>,
    bytes: &'static [u8],
    packed: LazyLock<Option<Bytes>>,
    kind: &'static str,
}

impl Asset {
    /// Its name, with the beginning of its hash: a browser may keep it for good.
    pub(super) fn name(&'static self) -> &'static str {
        &self.name
    }
}

fn named(stem: &str, bytes: &[u8], ending: &str) -> String {
    let hash = Sha256::digest(bytes);
    let hash: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{stem}-{hash}.{ending}")
}

const STYLE_CSS: &[u8] = include_bytes!("assets/style.css");
const SCRIPT_JS: &[u8] = include_bytes!("assets/script.js");
const ICON_SVG: &[u8] = include_bytes!("assets/icon.svg");

pub(super) static STYLE: Asset = Asset {
    name: LazyLock::new(|| named("style", STYLE_CSS, "css")),
    bytes: STYLE_CSS,
    packed: LazyLock::new(|| packed(STYLE_CSS, Compression::best())),
    kind: "text/css; charset=utf-8",
};
pub(super) static SCRIPT: Asset = Asset {
    name: LazyLock::new(|| named("script", SCRIPT_JS, "js")),
    bytes: SCRIPT_JS,
    packed: LazyLock::new(|| packed(SCRIPT_JS, Compression::best())),
    kind: "text/javascript; charset=utf-8",
};
pub(super) static ICON: Asset = Asset {
    name: LazyLock::new(|| named("icon", ICON_SVG, "svg")),
    bytes: ICON_SVG,
    packed: LazyLock::new(|| None),
    kind: "image/svg+xml",
};

/// One asset.
pub(super) async fn get(Path(name): Path<String>, asked: HeaderMap) -> Response {
    let known = [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.name() == name);
    match known {
        Some(asset) => {
            let headers = [
                (header::CONTENT_TYPE, asset.kind),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
                (header::VARY, "accept-encoding"),
            ];
            match asset.packed.as_ref().filter(|_| takes_gzip(&asked)) {
                Some(packed) => (headers, [(header::CONTENT_ENCODING, "gzip")], packed.clone()).into_response(),
                None => (headers, asset.bytes).into_response(),
            }
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
