//! Parse: bytes to items, by the source's format. A parser that fails or panics costs its own document and no other.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::config::sources::Source;
use crate::formats::{self, Origin, ParseError};
use crate::http::Page;
use crate::model::item::Parsed;

/// Raised when a parser begins to read documents differently, so that unchanged ones are read anew.
pub const PARSER_VERSION: u32 = 1;

/// The items of a fetched page.
///
/// # Errors
/// Says in a sentence why nothing could be read.
pub fn items(source: &Source, page: &Page) -> Result<Parsed, ParseError> {
    let Some(format) = formats::by_name(&source.format) else {
        return Err(ParseError::Unreadable { reason: format!("no format is called '{}'", source.format) });
    };
    let origin = Origin {
        html: source.html.as_ref(),
        json: source.json.as_ref(),
        ..Origin::of(&page.meta.final_url, page.content_type.as_deref())
    };
    catch_unwind(AssertUnwindSafe(|| (format.parse)(&page.body, &origin))).unwrap_or_else(|_| {
        let reason = format!("the {} reader failed on it; please report this document", format.name);
        Err(ParseError::Unreadable { reason })
    })
}
