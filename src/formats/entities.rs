//! Character references of HTML: named (`&eacute;`), decimal and hexadecimal.
//!
//! The table of names is the one that the HTML parser carries.

use html5ever::data::NAMED_ENTITIES;

/// Longest entity name that is looked up, without `&`.
const ENTITY_MAX: usize = 32;

/// The character that `text` begins with in escaped form, and how many bytes it takes there.
#[must_use]
pub fn decode(text: &str) -> Option<(String, usize)> {
    let body = text.strip_prefix('&')?;
    if let Some(number) = body.strip_prefix('#') {
        let hex = number.starts_with(['x', 'X']);
        let digits = &number[usize::from(hex)..];
        let len = digits
            .bytes()
            .take(8)
            .take_while(|byte| if hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() });
        let len = len.count();
        let code = u32::from_str_radix(digits.get(..len)?, if hex { 16 } else { 10 }).ok()?;
        let end = 2 + usize::from(hex) + len;
        let end = end + usize::from(text.as_bytes().get(end) == Some(&b';'));
        return Some((character(code).to_string(), end));
    }
    let len = body.bytes().take(ENTITY_MAX).take_while(u8::is_ascii_alphanumeric).count();
    let closed = body.as_bytes().get(len) == Some(&b';');
    let name = &body[..len + usize::from(closed)];
    // Without its semicolon a name counts only where HTML allows that (`&nbsp`), and not within a longer word.
    let (first, second) = NAMED_ENTITIES.get(name).filter(|(first, _)| *first != 0)?;
    let mut decoded = character(*first).to_string();
    if *second != 0 {
        decoded.push(character(*second));
    }
    Some((decoded, 1 + name.len()))
}

/// The character of a reference; Windows-1252 for 128 to 159, as browsers read them.
fn character(code: u32) -> char {
    if let 0x80..=0x9f = code {
        let byte = [u8::try_from(code).unwrap_or(b'?')];
        let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(&byte);
        return text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
    }
    char::from_u32(code).filter(|c| *c != '\0').unwrap_or(char::REPLACEMENT_CHARACTER)
}
